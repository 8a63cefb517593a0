"""Look-ups by key that never block the event loop: one thread, and one SELECT for all that a tick asked for."""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from constitutional.errors import LedgerError
from constitutional.ledger.schema import connect, failure

MOST_PER_SELECT = 500

_Lookup = tuple[str, "asyncio.Future[str | None]"]


class Reader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = connect(path, writable=False)
        self._thread = ThreadPoolExecutor(1, "ledger-reader")
        self._asked: list[_Lookup] = []

    def reply(self, key: str) -> asyncio.Future[str | None]:
        """The recorded reply, None where there is none."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[str | None] = loop.create_future()
        if not self._asked:
            loop.call_soon(self._send, loop)
        self._asked.append((key, future))
        return future

    def close(self) -> None:
        self._thread.shutdown(wait=True)
        self._connection.close()

    def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        asked, self._asked = self._asked, []
        for start in range(0, len(asked), MOST_PER_SELECT):
            self._thread.submit(self._select, asked[start : start + MOST_PER_SELECT], loop)

    def _select(self, asked: list[_Lookup], loop: asyncio.AbstractEventLoop) -> None:
        keys = [bytes.fromhex(key) for key, _ in asked]
        marks = ",".join("?" * len(keys))
        try:
            rows = self._connection.execute(f"SELECT key, reply FROM calls WHERE key IN ({marks})", keys).fetchall()
        except sqlite3.Error as error:
            loop.call_soon_threadsafe(_fail, asked, failure(self._path, error))
            return
        loop.call_soon_threadsafe(_resolve, asked, {key.hex(): reply for key, reply in rows})


def _resolve(asked: list[_Lookup], found: dict[str, str]) -> None:
    for key, future in asked:
        if not future.done():
            future.set_result(found.get(key))


def _fail(asked: list[_Lookup], error: LedgerError) -> None:
    for _, future in asked:
        if not future.done():
            future.set_exception(error)
