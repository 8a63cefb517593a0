"""The embedded default: a tiny world in which everything runs with no GPU, no key and no network."""
