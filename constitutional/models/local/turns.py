"""Several engines that fit on one GPU only one at a time: each has its turn, and sleeps in between.

Switching costs seconds, so that a turn lasts while there is work for it, and at most ``LONGEST`` where another waits."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from time import monotonic
from typing import Protocol

LONGEST = 60.0
"""Seconds that a turn goes on taking new requests while another engine waits."""


class Sleeper(Protocol):
    async def sleep(self) -> None: ...

    async def wake(self) -> None:
        """At its first turn this may start it."""
        ...


class Turns:
    """Who is inside ``of(engine)`` has that engine awake, and every other of these asleep."""

    def __init__(self, longest: float = LONGEST) -> None:
        self._longest = longest
        self._awake: Sleeper | None = None
        self._inside = 0
        self._since = 0.0
        self._queues: dict[Sleeper, deque[asyncio.Future[None]]] = {}
        self._switch: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def of(self, engine: Sleeper) -> AsyncIterator[None]:
        if self._may_enter(engine):
            self._inside += 1
        else:
            await self._admitted(engine)
        try:
            yield
        finally:
            self._inside -= 1
            self._next()

    def gone(self, engine: Sleeper) -> None:
        """It was shut down: it needs not be put to sleep."""
        if self._awake is engine:
            self._awake = None

    def _may_enter(self, engine: Sleeper) -> bool:
        if self._switch is not None or self._awake is not engine:
            return False
        others = any(queue for other, queue in self._queues.items() if other is not engine)
        return not others or monotonic() - self._since < self._longest

    async def _admitted(self, engine: Sleeper) -> None:
        """Wait for a turn. Who is let in counts as inside from then on."""
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue = self._queues.setdefault(engine, deque())
        queue.append(place)
        try:
            self._next()
            await place
        except asyncio.CancelledError:
            with contextlib.suppress(ValueError):
                queue.remove(place)
            if place.done() and not place.cancelled() and place.exception() is None:
                self._inside -= 1
                self._next()
            raise

    def _next(self) -> None:
        """Switch to an engine that is waited for, once nobody is inside."""
        if self._inside or self._switch is not None:
            return
        engine = next((each for each, queue in self._queues.items() if queue and each is not self._awake), None)
        if engine is None:
            self._let_in(self._awake)
        else:
            self._switch = asyncio.get_running_loop().create_task(self._switch_to(engine))

    async def _switch_to(self, engine: Sleeper) -> None:
        try:
            if self._awake is not None:
                with contextlib.suppress(Exception):  # one that died holds no memory
                    await self._awake.sleep()
            self._awake = None
            await engine.wake()
            self._awake, self._since = engine, monotonic()
        except Exception as error:
            self._refuse(engine, error)
        finally:
            self._switch = None
            # Who has had its turn goes behind the others.
            self._queues[engine] = self._queues.pop(engine)
            self._let_in(engine)
            self._next()

    def _let_in(self, engine: Sleeper | None) -> None:
        if engine is None or engine is not self._awake:
            return
        queue = self._queues.get(engine, deque())
        while queue:
            place = queue.popleft()
            if not place.done():
                self._inside += 1
                place.set_result(None)

    def _refuse(self, engine: Sleeper, error: BaseException) -> None:
        queue = self._queues[engine]
        while queue:
            place = queue.popleft()
            if not place.done():
                place.set_exception(error)
