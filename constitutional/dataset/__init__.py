"""From the ledger to a dataset folder: Parquet and Arrow per subset, and a card with real numbers."""
