"""run.db: the only state of a run. Everything else is a view of it.

- Kept: ``ledger`` is all of it, ``writer`` and ``reader`` its two threads; ``schema`` its tables and ``rows`` what goes into
  them, ``once`` why nothing is asked twice.
- Where: ``folder``, with its lock; ``missing`` says which one was meant, ``copy`` makes a second.
- Beside the replies: ``batches`` that are out, ``sifted`` pairs, ``labels`` by people."""

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
