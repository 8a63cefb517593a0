"""The one thread that writes run.db: rows are queued from the event loop and committed in groups."""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from constitutional.errors import LedgerError
from constitutional.ledger.rows import CallRow, Row
from constitutional.ledger.schema import connect, failure

LINGER = 0.005
"""Seconds that a group is gathered for. With the commit itself a reply is durable well within 0.1 s."""

_Barrier = Callable[[], None]


class Writer:
    """``unsaved`` holds the replies that are queued and not yet committed, so that a look-up can see them."""

    def __init__(self, path: Path, on_failure: Callable[[LedgerError], None]) -> None:
        self.unsaved: dict[str, str] = {}
        self.error: LedgerError | None = None
        self._path = path
        self._on_failure = on_failure
        self._queue: queue.SimpleQueue[Row | _Barrier | None] = queue.SimpleQueue()
        self._connection = connect(path, writable=True)
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute("PRAGMA cache_size=-16000")
        self._thread = threading.Thread(target=self._work, name="ledger-writer", daemon=True)
        self._thread.start()

    def put(self, row: Row) -> None:
        if self.error is not None:
            raise self.error
        if isinstance(row, CallRow):
            self.unsaved[row.key] = row.reply
        self._queue.put(row)

    def barrier(self, reached: _Barrier) -> None:
        """Call ``reached`` (in the writer's thread) when everything queued before is committed, or never will be."""
        self._queue.put(reached)

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        closing = False
        while not closing:
            group = [self._queue.get()]
            if group[0] is not None and not callable(group[0]):
                time.sleep(LINGER)
            while not self._queue.empty():
                group.append(self._queue.get())
            closing = None in group
            self._commit([row for row in group if row is not None and not callable(row)])
            for item in group:
                if callable(item):
                    item()
        self._connection.close()

    def _commit(self, rows: list[Row]) -> None:
        if not rows or self.error is not None:
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for row in rows:
                for statement, values in row.statements():
                    self._connection.execute(statement, values)
            self._connection.execute("COMMIT")
        except Exception as error:
            self._fail(error if isinstance(error, sqlite3.Error) else sqlite3.DataError(repr(error)))
            return
        for row in rows:
            if isinstance(row, CallRow):
                self.unsaved.pop(row.key, None)

    def _fail(self, error: sqlite3.Error) -> None:
        if self._connection.in_transaction:
            self._connection.rollback()
        self.error = failure(self._path, error)
        self._on_failure(self.error)
