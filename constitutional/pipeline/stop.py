"""How what asks many questions is told to end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Stop:
    """How a run is asked to end: once = let calls in flight finish, twice = now."""

    now: asyncio.Event = field(default_factory=asyncio.Event)
    soon: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self) -> None:
        (self.now if self.soon.is_set() else self.soon).set()

    async def or_work(self, work: Coroutine[Any, Any, None]) -> None:
        """The work to its end, or until a run that has not begun yet is asked to end."""
        task, asked = asyncio.ensure_future(work), asyncio.ensure_future(self.soon.wait())
        try:
            await asyncio.wait([task, asked], return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
            task.cancel()
            await asyncio.wait([task])
        if not task.cancelled():
            task.result()


@contextmanager
def on_interrupt(ask: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and a termination request while a loop runs. Elsewhere than in the main thread nobody sends them."""
    loop = asyncio.get_running_loop()
    numbers: Sequence[int] = (signal.SIGINT, signal.SIGTERM)
    try:
        for number in numbers:
            loop.add_signal_handler(number, ask)
    except (RuntimeError, ValueError):
        numbers = ()
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
