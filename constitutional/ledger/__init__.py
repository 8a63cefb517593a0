"""run.db: the only state of a run. Everything else is a view of it."""

from constitutional.ledger.folder import RunFolder
from constitutional.ledger.ledger import Ledger, LedgerView
from constitutional.ledger.rows import CallRow, TraceRow

__all__ = ["CallRow", "Ledger", "LedgerView", "RunFolder", "TraceRow"]
