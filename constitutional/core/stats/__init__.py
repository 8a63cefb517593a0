"""Statistics for audits: intervals, agreement, calibration, ranking. Stdlib only, deterministic under the seed, no I/O.

Where a measure is not defined (nothing to measure, one class, no variance) the answer is None, never an exception; lists
of different lengths and values outside their range are a caller's mistake and raise ValueError."""
