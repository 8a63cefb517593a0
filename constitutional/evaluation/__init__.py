"""Did it work, and what did it cost: models before and after, on the same prompts, with the same seeds.

- What is asked for: ``settings``; ``contenders`` are the models, ``ready`` finds what can be wrong, ``plan`` tells what it
  would ask, ``contamination`` whether held-out prompts were trained on.
- Asked: ``run`` tells the order of things, ``ask`` has every model answer, ``weigh`` has the roles look at the answers;
  ``perplexity`` needs no answers.
- Found: ``findings`` puts it together from ``measures``, what ``compare`` says of two of them, and ``rating``; ``gate`` says
  whether it is enough.
- What comes of it: ``result``, and ``effect`` on the trained model's card."""
