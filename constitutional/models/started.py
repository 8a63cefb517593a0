"""Started once, whoever asks, while the event loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class Started(Generic[T]):
    """Something slow to start: begun in a thread by the first caller, shared by all, also concurrent ones.

    A cancelled caller does not stop it, and a failure is every caller's. Without ``thread`` it has one of its own."""

    def __init__(self, start: Callable[[], T], thread: ThreadPoolExecutor | None = None) -> None:
        self._start = start
        self._thread = thread
        self.future: Future[T] | None = None

    async def get(self) -> T:
        if self.future is None:
            thread = self._thread or ThreadPoolExecutor(1)
            self.future = thread.submit(self._start)
            if self._thread is None:
                thread.shutdown(wait=False)
        return await asyncio.shield(asyncio.wrap_future(self.future))
