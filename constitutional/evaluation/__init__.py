"""Did it work, and what did it cost: models before and after, on the same prompts, with the same seeds."""
