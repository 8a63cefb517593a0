"""Asking a provider by its batches, at half the price."""
