"""The ledger: every model reply once, under the digest of its request; and what was made of them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

from constitutional.errors import LedgerError
from constitutional.ledger.reader import Reader
from constitutional.ledger.rows import CallRow, MetaRow, Row
from constitutional.ledger.schema import check_version, connect, create_or_check, failure
from constitutional.ledger.writer import Writer

T = TypeVar("T")
MOST_UNSAVED = 1000
"""Replies that may wait for the writer. A model that answers faster than the disk takes it waits for the disk, and memory
stays what it is."""


class Answers(Protocol):
    """What a recorded model needs of a ledger."""

    async def answer(
        self, key: str, decode: Callable[[str], T], ask: Callable[[], Awaitable[tuple[T, CallRow]]]
    ) -> tuple[T, bool]:
        """The reply under this key, and whether it was there already."""
        ...


class Ledger:
    """Opened for writing by one run at a time (the run folder's lock sees to that). Use it from one event loop."""

    def __init__(self, path: Path, on_failure: Callable[[LedgerError], None] | None = None) -> None:
        create_or_check(path)
        self.path = path
        self._on_failure = on_failure or (lambda error: None)
        self._writer = Writer(path, self._on_failure)
        self._reader = Reader(path)
        self._in_flight: dict[str, asyncio.Task[Any]] = {}

    async def answer(
        self, key: str, decode: Callable[[str], T], ask: Callable[[], Awaitable[tuple[T, CallRow]]]
    ) -> tuple[T, bool]:
        """The reply to a request and whether it was reused: from the ledger, from an identical request that is in
        flight, or from the model. A call that has begun goes on even if the prompt that wanted it is cancelled:
        it may be paid for already."""
        twin = self._in_flight.get(key)
        if twin is not None:
            value, _ = await asyncio.shield(twin)
            return value, True
        task = asyncio.get_running_loop().create_task(self._find_or_ask(key, decode, ask))
        self._in_flight[key] = task
        task.add_done_callback(lambda done: self._landed(key, done))
        result: tuple[T, bool] = await asyncio.shield(task)
        return result

    async def _find_or_ask(
        self, key: str, decode: Callable[[str], T], ask: Callable[[], Awaitable[tuple[T, CallRow]]]
    ) -> tuple[T, bool]:
        saved = self._writer.unsaved.get(key) or await self._reader.reply(key)
        if saved is not None:
            return decode(saved), True
        value, row = await ask()
        self._writer.put(row)
        if len(self._writer.unsaved) > MOST_UNSAVED:
            await self.flush()
        return value, False

    def _landed(self, key: str, task: asyncio.Task[Any]) -> None:
        del self._in_flight[key]
        if not task.cancelled():
            task.exception()

    async def landed(self) -> None:
        """Wait until no call is in flight."""
        while self._in_flight:
            await asyncio.wait(list(self._in_flight.values()))

    def abandon(self) -> None:
        """Give up the calls in flight, now."""
        for task in list(self._in_flight.values()):
            task.cancel()

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
            raise LedgerError(f"{path.parent} is no run folder: it has no run.db")
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

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> LedgerView:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
