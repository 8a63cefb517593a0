"""The embedded default: a tiny world in which everything runs with no GPU, no key and no network.

- The world: ``world`` and its ``words``, ``answers``, ``pools`` of questions; ``oracle`` knows the truth, ``truth`` plays
  roles with it.
- Its model: ``provider`` names it; it learns from ``jobs`` and a ``corpus``, by ``tokenizer``, ``network`` and ``scratch``;
  ``make`` made the one that ships, ``cache`` keeps those made here.
- Where torch is missing: ``script``."""
