"""Every request once: identical ones that are asked side by side share one answer."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from constitutional.ledger.rows import CallRow

T = TypeVar("T")
Ask = Callable[[], Awaitable[tuple[T, CallRow]]]


class Once(ABC):
    """Use it from one event loop."""

    def __init__(self) -> None:
        self._in_flight: dict[str, asyncio.Task[Any]] = {}

    async def answer(self, key: str, decode: Callable[[str], T], ask: Ask[T]) -> tuple[T, bool]:
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

    @abstractmethod
    async def _find_or_ask(self, key: str, decode: Callable[[str], T], ask: Ask[T]) -> tuple[T, bool]: ...

    def _landed(self, key: str, task: asyncio.Task[Any]) -> None:
        del self._in_flight[key]
        if not task.cancelled():
            task.exception()

    @property
    def in_flight(self) -> int:
        """Requests that are being looked up or asked."""
        return len(self._in_flight)

    async def landed(self) -> None:
        """Wait until no call is in flight."""
        while self._in_flight:
            await asyncio.wait(list(self._in_flight.values()))

    def abandon(self) -> None:
        """Give up the calls in flight, now."""
        for task in list(self._in_flight.values()):
            task.cancel()
