"""run.db: the only state of a run. Everything else is a view of it."""

from constitutional.ledger.batches import BatchJournal, SentBatch, open_batches
from constitutional.ledger.folder import RunFolder
from constitutional.ledger.ledger import Ledger, LedgerView
from constitutional.ledger.once import Once
from constitutional.ledger.rows import CallRow, TraceRow
from constitutional.ledger.schema import create_or_check
from constitutional.ledger.sifted import Sifted, record_sifted, without

__all__ = [
    "BatchJournal",
    "CallRow",
    "Ledger",
    "LedgerView",
    "Once",
    "RunFolder",
    "SentBatch",
    "Sifted",
    "TraceRow",
    "create_or_check",
    "open_batches",
    "record_sifted",
    "without",
]
