"""Pure values and rules: stdlib only, no I/O. It can be read, tested and trusted alone.

- What flows: ``records``, ``messages``; ``codec`` to JSON and back, ``digest`` for their names.
- A constitution: ``constitution``, ``enforcement`` (what its forces ask), ``ruling`` (from judgements to a label),
  ``grading`` (from scores), ``reward`` (one number for training), ``pairing`` (whom to compare), ``analysis`` (what
  each principle did).
- Texts: ``refusals``, ``hygiene``, ``language``, ``contacts``, ``similarity``, ``loose_json``, ``plain``.
- Figures: ``stats/``; ``stacking`` weighs judges, ``watch`` looks for labels that were gamed."""
