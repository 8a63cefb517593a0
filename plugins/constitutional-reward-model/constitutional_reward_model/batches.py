"""Questions that wait at the same time run as one batch, in a thread: the event loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from constitutional import Message

Messages = tuple[Message, ...]
Row = tuple[Messages, str]


class Batches:
    """While one batch runs the next one gathers. The thread is started by the first question."""

    def __init__(self, rewards: Callable[[Sequence[Row]], list[float]], most: int) -> None:
        self._rewards = rewards
        self._most = most
        self._thread: ThreadPoolExecutor | None = None
        self._waiting: list[tuple[Row, asyncio.Future[float]]] = []
        self._running: asyncio.Task[None] | None = None

    async def reward(self, messages: Messages, answer: str) -> float:
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting.append(((messages, answer), future))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="hf-reward")
        await asyncio.sleep(0)
        while self._waiting:
            # Rows of like length together: what is padded is computed in vain.
            self._waiting.sort(key=lambda item: len(item[0][1]))
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            wanted = [(row, future) for row, future in batch if not future.cancelled()]
            if not wanted:
                continue
            try:
                rows = [row for row, _ in wanted]
                found = await asyncio.get_running_loop().run_in_executor(self._thread, self._rewards, rows)
            except Exception as error:
                for _, future in wanted:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), reward in zip(wanted, found, strict=True):
                if not future.done():
                    future.set_result(reward)
