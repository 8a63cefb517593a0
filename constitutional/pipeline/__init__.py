"""prompts → responses → critiques → revisions → judgements → pairs.

- One prompt: ``respond``, ``revise``, ``arena``, ``pair``; ``trace`` goes through all of them.
- A run: ``run`` opens and closes it, ``driver`` keeps a window of prompts going; ``state`` is how it goes, and ``progress``
  and ``stop`` are for whatever asks many questions. ``ray/`` is the same on a cluster.
- Its prompts: ``rows`` from a file, ``prompts`` of these, ``prompt_filters``, ``tags``, and ``resume``: what an earlier
  session made of them. ``run_filters`` look at the pairs of all when it ends.
- Its cast: ``setup`` looks up who plays which role, with ``constitution``, ``models``, ``by_principle`` (a critic or a judge
  for one principle alone) and ``judge_card``; ``strangers`` looks at what installed plugins answer, and ``bind`` is where
  the models' answers come from.
- What would be asked: ``counting`` and ``estimate`` by models that only count, ``planned`` by what strategies say,
  ``waves`` in how many batches; ``strategies/`` are others over a finished run.
- Beside a run: ``opened`` reads one, ``open_model`` is one model, ``examples`` tests principles, ``review`` their wording.
"""
