"""From the ledger to a dataset folder: Parquet and Arrow per subset, and a card with real numbers.

- Written: ``write`` goes through the traces, ``rows`` makes rows of each, ``splits`` says where they belong,
  ``shards`` makes files of them; ``answers`` are rows to imitate.
- Told of: ``tally`` counts, ``card`` says it (``judge_section``, ``lengths``, ``markdown``); ``manifest`` and
  ``provenance`` say what made it, and ``scrub`` takes out what must not travel.
- Read again: ``source``, ``verify``; ``merge`` makes one of several runs, and ``same`` tells what they share.
- Out: ``export/``; ``push`` and ``push_model``, by ``hub``."""
