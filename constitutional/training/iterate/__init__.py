"""``constitutional iterate``: rounds of generate → judge → pairs → train → evaluate."""
