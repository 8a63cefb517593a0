"""Pure values and rules: stdlib only, no I/O. It can be read, tested and trusted alone."""
