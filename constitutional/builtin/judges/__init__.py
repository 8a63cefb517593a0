"""Judges: the probability that one answer is better than another under a principle, read in both orders."""
