"""A ledger in memory: each question once, as in ``run.db``, and nothing on a disk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from constitutional.ledger import CallRow

T = TypeVar("T")


class MemoryLedger:
    """Implements ``ledger.Answers``. ``rows`` are the calls that were made, in the order they ended."""

    def __init__(self) -> None:
        self.rows: list[CallRow] = []
        self.reused = 0
        self._replies: dict[str, str] = {}
        self._in_flight: dict[str, asyncio.Future[Any]] = {}

    async def answer(
        self, key: str, decode: Callable[[str], T], ask: Callable[[], Awaitable[tuple[T, CallRow]]]
    ) -> tuple[T, bool]:
        """As the ledger of a run: an identical question that is in flight is waited for."""
        if key in self._in_flight:
            await asyncio.wait([self._in_flight[key]])
        if key in self._replies:
            self.reused += 1
            return decode(self._replies[key]), True
        self._in_flight[key] = asyncio.get_running_loop().create_future()
        try:
            value, row = await ask()
            self._replies[key] = row.reply
            self.rows.append(row)
            return value, False
        finally:
            self._in_flight.pop(key).cancel()
