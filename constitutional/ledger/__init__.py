"""run.db: the only state of a run. Everything else is a view of it."""

from constitutional.ledger.folder import RunFolder
from constitutional.ledger.ledger import Answers, Ledger, LedgerView
from constitutional.ledger.rows import CallRow, TraceRow
from constitutional.ledger.schema import create_or_check
from constitutional.ledger.sifted import Sifted, record_sifted, without

__all__ = [
    "Answers",
    "CallRow",
    "Ledger",
    "LedgerView",
    "RunFolder",
    "Sifted",
    "TraceRow",
    "create_or_check",
    "record_sifted",
    "without",
]
