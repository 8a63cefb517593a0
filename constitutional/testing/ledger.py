"""A ledger in memory: each question once, as in ``run.db``, and nothing on a disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from constitutional.ledger import CallRow, Once
from constitutional.ledger.once import Ask

T = TypeVar("T")


class MemoryLedger(Once):
    """``rows`` are the calls that were made, in the order they ended; ``reused`` counts the answers that needed none."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[CallRow] = []
        self.reused = 0
        self._replies: dict[str, str] = {}

    async def answer(self, key: str, decode: Callable[[str], T], ask: Ask[T]) -> tuple[T, bool]:
        value, reused = await super().answer(key, decode, ask)
        self.reused += reused
        return value, reused

    @property
    def pending(self) -> set[asyncio.Task[Any]]:
        """Calls that have begun: they go on when whoever wanted them is cancelled, as they may be paid for."""
        return set(self._in_flight.values())

    async def _find_or_ask(self, key: str, decode: Callable[[str], T], ask: Ask[T]) -> tuple[T, bool]:
        if key in self._replies:
            return decode(self._replies[key]), True
        value, row = await ask()
        self._replies[key] = row.reply
        self.rows.append(row)
        return value, False
