"""Requests queue up; one thread takes what is waiting and runs it as one batch on a torch model."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, Protocol, TypeVar


class Row(Protocol):
    """One request. Running its batch settles ``future``; ``abandoned``: nobody waits for it any more."""

    future: Future[Any]
    abandoned: bool


R = TypeVar("R", bound=Row)


class Batches(Generic[R]):
    """``run`` settles the future of every row it is given. ``too_big`` says what is wrong with a row that does not fit in
    memory alone."""

    def __init__(
        self,
        thread: ThreadPoolExecutor,
        run: Callable[[list[R]], None],
        most: int,
        too_big: Callable[[R], Exception],
    ) -> None:
        self._thread = thread
        self._run_batch = run
        self._most = most
        self._too_big = too_big
        self._waiting: deque[R] = deque()

    async def settled(self, row: R) -> Any:
        """Every row asks for a turn; the first turn takes all that wait, and a turn that finds none is free.

        A turn is asked for after the coroutines that are ready now, so that they are in it."""
        self._waiting.append(row)
        asyncio.get_running_loop().call_soon(self._thread.submit, self._turn)
        try:
            return await asyncio.wrap_future(row.future)
        except asyncio.CancelledError:
            row.abandoned = True
            raise

    def cancel(self) -> None:
        """What still queues is not run."""
        for row in self._waiting:
            row.future.cancel()

    def _turn(self) -> None:
        rows: list[R] = []
        while self._waiting and len(rows) < self._most:
            row = self._waiting.popleft()
            if row.future.set_running_or_notify_cancel():
                rows.append(row)
        if rows:
            self._run(rows)

    def _run(self, rows: list[R]) -> None:
        """Settles every row's future. A batch that does not fit in memory is halved and begun again."""
        import torch

        try:
            with torch.inference_mode():
                self._run_batch(rows)
            return
        except torch.OutOfMemoryError:
            rows = [row for row in rows if not row.future.done()]
        except Exception as error:
            for row in rows:
                if not row.future.done():
                    row.future.set_exception(error)
            return
        torch.cuda.empty_cache()
        if len(rows) > 1:
            self._run(rows[: len(rows) // 2])
            self._run(rows[len(rows) // 2 :])
        for row in rows:
            if not row.future.done():
                row.future.set_exception(self._too_big(row))
