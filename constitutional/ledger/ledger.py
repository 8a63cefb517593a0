"""The ledger: every model reply once, under the digest of its request; and what was made of them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from constitutional.errors import LedgerError
from constitutional.ledger.missing import no_run
from constitutional.ledger.once import Ask, Once
from constitutional.ledger.reader import Reader
from constitutional.ledger.rows import MetaRow, Row
from constitutional.ledger.schema import check_version, connect, create_or_check, failure
from constitutional.ledger.writer import Writer

T = TypeVar("T")
MOST_UNSAVED = 1000
"""Replies that may wait for the writer. A model that answers faster than the disk takes it waits for the disk, and memory
stays what it is."""
CURRENT = "state LIKE ? || ':%'"
"""Traces of a plan: that which the run was last made with is in force."""


class Ledger(Once):
    """Opened for writing by one run at a time (the run folder's lock sees to that). Use it from one event loop."""

    def __init__(self, path: Path, on_failure: Callable[[LedgerError], None] | None = None) -> None:
        super().__init__()
        create_or_check(path)
        self.path = path
        self._on_failure = on_failure or (lambda error: None)
        self._writer = Writer(path, self._on_failure)
        self._reader = Reader(path)

    async def _find_or_ask(self, key: str, decode: Callable[[str], T], ask: Ask[T]) -> tuple[T, bool]:
        saved = self._writer.unsaved.get(key) or await self._reader.reply(key)
        if saved is not None:
            return decode(saved), True
        value, row = await ask()
        self._writer.put(row)
        if len(self._writer.unsaved) > MOST_UNSAVED:
            await self.flush()
        return value, False

    def write(self, row: Row) -> None:
        """Queue a row. Rows are committed in the order they came, so a trace is never saved before its calls."""
        self._writer.put(row)

    async def flush(self) -> None:
        """Wait until everything written so far is on disk."""
        loop = asyncio.get_running_loop()
        reached = asyncio.Event()

        def tell() -> None:
            loop.call_soon_threadsafe(reached.set)

        self._writer.barrier(tell)
        await reached.wait()
        if self._writer.error is not None:
            raise self._writer.error

    def set_meta(self, key: str, value: str) -> None:
        self._writer.put(MetaRow(key, value))

    def close(self) -> None:
        self._reader.close()
        self._writer.close()


class LedgerView:
    """A finished or a running run.db, read-only: for everything that looks at a run."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise no_run(path.parent)
        self.path = path
        self._connection = connect(path, writable=False)
        try:
            check_version(path, self._connection)
        except sqlite3.Error as error:
            raise failure(path, error) from error

    def rows(self, statement: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise failure(self.path, error) from error

    def one(self, statement: str, *values: Any) -> Any:
        """The first column of the first row, None where there is no row."""
        row = next(self.rows(statement, *values), None)
        return None if row is None else row[0]

    def meta(self, key: str) -> str | None:
        value: str | None = self.one("SELECT value FROM meta WHERE key=?", key)
        return value

    def traces(self, columns: str, *, complete: bool | None = None) -> Iterator[tuple[Any, ...]]:
        """Of the traces that the run is made of, in the order of its prompts: those of its last session's prompts where
        that went through all of them, else whatever is finished under its plan. ``complete`` says which; None: as the run
        ended."""
        if complete is None:
            complete = self.meta("status") == "complete"
        condition, value = ("session = ?", self.session) if complete else (CURRENT, self.meta("plan"))
        return self.rows(f"SELECT {columns} FROM traces WHERE {condition} ORDER BY position, prompt_id", value)

    def bad_rows(self) -> Iterator[tuple[Any, ...]]:
        """(position, source, reason, detail, failure) of the last session's lines that were no prompt, in their order."""
        return self.rows(
            "SELECT position, source, reason, detail, failure FROM rows WHERE session = ? ORDER BY position",
            self.session,
        )

    @property
    def session(self) -> int:
        """The last one that ended by itself; 0: none has."""
        return int(self.meta("session") or 0)

    def spent(self) -> tuple[int, float]:
        """Calls and money of everything that it holds."""
        calls, cost = next(self.rows("SELECT count(*), coalesce(sum(cost), 0) FROM calls"))
        return int(calls), float(cost)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> LedgerView:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
