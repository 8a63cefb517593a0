"""A local web page over runs.

- The page: ``serve`` starts it, ``app`` answers; ``listing`` is its list, ``traces`` and ``diff`` what a trace shows,
  ``comparing`` two runs, ``shown`` how strangers' text is shown.
- Behind it: ``shelf`` holds the runs; of each ``indexing`` keeps an index, with ``schema``, ``entries`` made of a trace, and
  ``placing``, where it lies."""
