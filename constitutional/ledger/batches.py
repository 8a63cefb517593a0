"""Batches at a provider that are not collected yet: their ids outlive the process that sent them.

A batch is written down before it is sent (with a token of ours that the provider keeps, where it keeps any) and again with
the id that it got: a process killed in between finds it again by what it had meant to send. It is forgotten when every
reply of it is in ``calls``."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from constitutional.ledger.ledger import Ledger, LedgerView
from constitutional.ledger.rows import Change, Statement

TABLES = (
    """
CREATE TABLE IF NOT EXISTS batches (         -- sent to a provider and not wholly collected
    token TEXT PRIMARY KEY,                  -- ours, made before it was sent
    id TEXT,                                 -- the provider's; NULL where nobody knows whether it was sent
    model TEXT NOT NULL,
    at REAL NOT NULL,                        -- when it was sent
    requests INTEGER NOT NULL
) WITHOUT ROWID
""",
    """
CREATE TABLE IF NOT EXISTS batch_requests (  -- what of a batch is not in `calls` yet
    token TEXT NOT NULL, name BLOB NOT NULL, -- the name that the request has in the batch
    PRIMARY KEY (token, name)
) WITHOUT ROWID
""",
)


KEPT_SECONDS = 29 * 86400.0
"""Providers delete the results of a batch after 29 or 30 days."""


@dataclass(slots=True)
class SentBatch:
    token: str
    model: str
    at: float
    requests: int
    id: str | None = None
    names: set[str] = field(default_factory=set)
    """Requests whose replies are still to come."""


def open_batches(ledger: Path) -> list[SentBatch]:
    """Of every model, oldest first, without the names of their requests."""
    if not ledger.exists():
        return []
    with LedgerView(ledger) as view:
        if not view.one("SELECT 1 FROM sqlite_master WHERE name = 'batches'"):
            return []
        select = "SELECT token, model, at, requests, id FROM batches WHERE at > ? ORDER BY at"
        return [SentBatch(*row) for row in view.rows(select, time.time() - KEPT_SECONDS)]


class BatchJournal:
    """The open batches of one model in one ledger."""

    def __init__(self, ledger: Ledger, model: str) -> None:
        self._ledger = ledger
        self._model = model

    def open(self) -> list[SentBatch]:
        """What an earlier session sent, oldest first."""
        found = [batch for batch in open_batches(self._ledger.path) if batch.model == self._model]
        if found:
            with LedgerView(self._ledger.path) as view:
                for batch in found:
                    names = view.rows("SELECT name FROM batch_requests WHERE token = ?", batch.token)
                    batch.names = {name.hex() for (name,) in names}
        return found

    async def begin(self, names: Iterable[str]) -> SentBatch:
        """On disk before anything is sent."""
        wanted = set(names)
        batch = SentBatch(uuid4().hex, self._model, time.time(), len(wanted), None, wanted)
        row = (batch.token, None, batch.model, batch.at, batch.requests)
        added = [("INSERT INTO batch_requests VALUES (?,?)", (batch.token, bytes.fromhex(name))) for name in wanted]
        self._ledger.write(
            Change((*((table, ()) for table in TABLES), ("INSERT INTO batches VALUES (?,?,?,?,?)", row), *added))
        )
        await self._ledger.flush()
        return batch

    async def sent(self, batch: SentBatch, name: str) -> None:
        """``name`` is the provider's id of it. On disk before its first look-up."""
        batch.id = name
        self._ledger.write(Change((("UPDATE batches SET id = ? WHERE token = ?", (name, batch.token)),)))
        await self._ledger.flush()

    async def settle(self, batch: SentBatch, names: Iterable[str]) -> None:
        """These have their replies, or never will. Called once the replies are queued for the ledger: rows are committed
        in order, so that a batch is not forgotten before they are on disk."""
        done = set(names)
        batch.names -= done
        gone: list[Statement] = [
            ("DELETE FROM batch_requests WHERE token = ? AND name = ?", (batch.token, bytes.fromhex(name)))
            for name in done
        ]
        if not batch.names:
            gone.append(("DELETE FROM batches WHERE token = ?", (batch.token,)))
        self._ledger.write(Change(tuple(gone)))
        await self._ledger.flush()
