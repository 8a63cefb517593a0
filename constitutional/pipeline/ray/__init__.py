"""``engine: ray``: the driver's end (``pool``), the far end (``replica``), and what they say to each other (``wire``)."""
