"""The only modules that import torch and TRL at their head. They are imported when a training begins, never before.

- A stage each: ``imitation``, ``pairs``, ``kto``, ``orpo``, ``reward``, ``online``.
- What they stand on: ``policy`` is the model, ``bench`` what every stage works with, ``arguments`` TRL's
  configuration, ``fit`` runs a trainer to its end.
- Preference training: ``preference`` with ``losses``, ``reference`` and ``sharing``.
- While it goes on: ``callbacks``, ``guarding``, ``sampling``; ``silent`` is what TRL does not do here."""
