"""Plots as SVG text and the pages they stand on: no dependency, no script, no request to anywhere."""
