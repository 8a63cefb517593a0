"""A local web page over runs."""
