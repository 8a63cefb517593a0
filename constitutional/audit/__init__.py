"""Is this judge fit to label? Human labels, what the judge says of the same pairs, and the difference between the two."""
