"""From a finished run or a preference dataset to a trained model. ``run.py`` tells the order of things."""
