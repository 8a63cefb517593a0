"""Which pairs of a run its run-level filters dropped: decided anew whenever the run ends, and kept beside the traces."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from constitutional.core.records import Reject, Trace
from constitutional.ledger.ledger import LedgerView
from constitutional.ledger.schema import connect, failure

TABLE = """
CREATE TABLE IF NOT EXISTS sifted (  -- pairs of a trace, by their number, that filters of the run dropped when it ended
    prompt_id TEXT NOT NULL, n INTEGER NOT NULL,
    reason TEXT NOT NULL, detail TEXT NOT NULL,
    PRIMARY KEY (prompt_id, n)
) WITHOUT ROWID
"""
Drops = dict[int, Reject]
"""Number of a pair in its trace → why it was dropped."""


class Sifted:
    """What is recorded in a ledger. One that was never sifted has nothing."""

    def __init__(self, view: LedgerView) -> None:
        self._view = view
        self.any = bool(view.one("SELECT 1 FROM sqlite_master WHERE name = 'sifted'")) and bool(
            view.one("SELECT 1 FROM sifted LIMIT 1")
        )

    def of(self, prompt_id: str) -> Drops:
        if not self.any:
            return {}
        rows = self._view.rows("SELECT n, reason, detail FROM sifted WHERE prompt_id = ?", prompt_id)
        return {n: Reject(prompt_id, reason, detail) for n, reason, detail in rows}

    def rows(self) -> Iterator[tuple[Any, ...]]:
        return self._view.rows("SELECT * FROM sifted ORDER BY prompt_id, n") if self.any else iter(())

    def apply(self, trace: Trace) -> Trace:
        return without(trace, self.of(trace.prompt.id)) if trace.pairs else trace


def without(trace: Trace, drops: Drops) -> Trace:
    """The trace with these pairs turned into rejects."""
    if not drops:
        return trace
    kept = tuple(pair for n, pair in enumerate(trace.pairs) if n not in drops)
    return replace(trace, pairs=kept, rejects=(*trace.rejects, *(drops[n] for n in sorted(drops))))


def create_sifted(connection: sqlite3.Connection) -> None:
    """Where there is none yet."""
    connection.execute(TABLE)


def record_sifted(path: Path, drops: Iterable[tuple[str, Drops]]) -> None:
    """Replaces all that was recorded, at once."""
    connection = connect(path, writable=True)
    try:
        connection.execute("BEGIN IMMEDIATE")
        create_sifted(connection)
        connection.execute("DELETE FROM sifted")
        connection.executemany(
            "INSERT INTO sifted VALUES (?, ?, ?, ?)",
            ((name, n, reject.reason, reject.detail) for name, found in drops for n, reject in found.items()),
        )
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise failure(path, error) from error
    finally:
        connection.close()
