"""Scorers: how well one answer upholds a principle, 0 to 1."""
