"""Which requests are out, in which batch, and who waits for their replies."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from constitutional.ledger import SentBatch
from constitutional.models.batches.api import BatchLine

Waiter = asyncio.Future[Any]


class Claims:
    """Requests by their names. One may be out and nobody wait for it: an earlier session sent it."""

    def __init__(self) -> None:
        self._sent: dict[str, SentBatch] = {}
        self._waiters: dict[str, list[Waiter]] = {}

    def send(self, batch: SentBatch) -> None:
        """All its requests are out, or about to be."""
        self._sent |= dict.fromkeys(batch.names, batch)

    def recall(self, names: Iterable[str]) -> None:
        """These are not out after all, or no longer. Who waits for them goes on waiting."""
        for name in names:
            self._sent.pop(name, None)

    def batch_of(self, name: str) -> SentBatch | None:
        return self._sent.get(name)

    def claim(self, name: str, waiters: Iterable[Waiter]) -> None:
        self._waiters.setdefault(name, []).extend(waiters)

    def __contains__(self, name: str) -> bool:
        """Whether somebody waits for it."""
        return name in self._waiters

    def settle(self, line: BatchLine) -> bool:
        """Whether somebody waited for it."""
        waiters = self._waiters.pop(line.name, [])
        for waiter in waiters:
            if waiter.done():
                continue
            if line.error is not None:
                waiter.set_exception(line.error)
            else:
                waiter.set_result(line.data)
        return bool(waiters)

    def give_up(self) -> list[Waiter]:
        """All who wait; nobody does from here on."""
        waiters = [waiter for claimed in self._waiters.values() for waiter in claimed]
        self._waiters.clear()
        return waiters
