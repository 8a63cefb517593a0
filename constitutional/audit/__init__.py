"""Is this judge fit to label? Human labels, what the judge says of the same pairs, and the difference between the two.

- What people said: ``labels`` from a file, ``rows`` one by one, to ``pairs``; ``runs`` and ``sample`` choose pairs of a run
  for a ``sheet`` to fill in.
- What the judge says: ``ask`` asks it, ``verdict`` is an answer, ``attacks`` are additions that should move none.
- The difference: ``measures``, with intervals by ``resample``; ``calibrate`` makes probabilities mean what they say, and
  ``gate`` decides whether it may label.
- What comes of it: ``card``, and ``page`` to read it."""
