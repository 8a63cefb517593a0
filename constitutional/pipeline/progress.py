"""How the asking of many items is going, a bounded window of them at a time, and the way to end it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from constitutional.errors import RunStoppedError
from constitutional.models.meter import Meter
from constitutional.models.throttle import Throttle

T = TypeVar("T")
WINDOW = 2
"""Items in work per call in flight."""


@dataclass(slots=True)
class Progress:
    """``stage`` says who is asked just now. Stopped once, calls on their way finish; twice, at once."""

    meter: Meter
    stage: str = ""
    done: int = 0
    total: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    throttles: dict[str, Throttle] = field(default_factory=dict)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    say: Callable[[str], None] = lambda line: None

    def begin(self, stage: str, total: int, throttles: dict[str, Throttle]) -> None:
        self.say(f"{stage}: {total:,}")  # while the state is still that of the stage before
        self.stage, self.done, self.total, self.throttles = stage, 0, total, throttles
        if self.meter.stopping is not None:
            self.stop(self.meter.stopping)

    def stop(self, why: str) -> None:
        if self.meter.stopping is not None:
            for task in self.tasks:
                task.cancel()
        self.meter.stopping = why
        for throttle in self.throttles.values():
            throttle.stop(why)

    async def each(
        self, items: Sequence[T], work: Callable[[int, T], Coroutine[Any, Any, None]], concurrency: int
    ) -> None:
        """``work`` on every item, a window of them at a time."""
        waiting = iter(enumerate(items))

        async def worker() -> None:
            for place, item in waiting:
                await work(place, item)
                self.done += 1

        workers = min(max(4, concurrency * WINDOW), max(1, len(items)))
        self.tasks = [asyncio.create_task(worker()) for _ in range(workers)]
        try:
            await asyncio.gather(*self.tasks)
        except asyncio.CancelledError as error:
            raise RunStoppedError("interrupted") from error
        finally:
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)
