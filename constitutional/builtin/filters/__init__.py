"""Reasons to drop a pair, or a prompt before anything is asked about it: one file per idea."""
