"""From a finished run or a preference dataset to a trained model. ``run`` tells the order of things.

- What is asked for: ``settings``; ``settle`` fills in what was left open, with ``advice`` (which loss suits the data)
  and ``schedule`` (how many steps, and when to look).
- The rows: ``sources`` they come from, ``rows`` one by one, ``data`` cleaned and split, ``tokens``.
- Before it begins: ``ready`` finds what can be wrong, ``estimate`` what it would take.
- Its stages: ``stages`` by name, each with its trainer in ``trainers/``; ``feedback`` is the constitution's on
  answers of online training. ``guards/`` watch the log, ``stop`` ends it early.
- What comes of it: ``folder`` with the model, ``card``, ``versions``; ``room`` is for a disk that fills up.
- Several: ``sweep`` tries values of β, ``iterate/`` goes in rounds; ``launch``, ``launched`` and ``processes`` are
  one training in several processes."""
