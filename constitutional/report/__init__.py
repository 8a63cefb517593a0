"""One page that shows a run, a training or an evaluation: every plot with its numbers, from what is in the folders."""
