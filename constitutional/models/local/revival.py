"""An engine that may die: it is started again, what was in flight is asked again, and a request that kills it every time
is found out and refused.

Nobody can tell from outside which of many requests killed an engine. Those that were in flight twice when one died are
asked again alone, one after another, so that at most one request of a run pays for what it does."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from constitutional.core.records import Reason
from constitutional.errors import ModelUnavailableError, RequestRefusedError

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")
R = TypeVar("R")
ALONE_AFTER = 2
"""Engines that died under a request before it is asked alone."""
MOST_BARREN = 6
"""Engines that may die without having answered anything before the run ends."""


class EngineDied(Exception):  # noqa: N818 - a signal between an adapter and this module
    """Raised by work on an engine that is gone; its text says what a user could do."""


class Starts(Protocol[T_co]):
    async def get(self) -> T_co: ...


class Engine(Generic[T]):
    """``start`` gives something that starts an engine when it is first asked for it; ``bury`` is told of a dead one."""

    def __init__(self, start: Callable[[], Starts[T]], bury: Callable[[T], Awaitable[None]]) -> None:
        self._start = start
        self._bury = bury
        self._current: Starts[T] | None = None
        self._gate = Gate()
        self._barren = 0
        self.deaths = 0

    @property
    def started(self) -> bool:
        return self._current is not None

    def stopped(self) -> None:
        """On purpose, and nobody uses it: the next use starts another."""
        self._current = None

    async def get(self) -> T:
        if self._current is None:
            self._current = self._start()
        return await self._current.get()

    async def use(self, work: Callable[[T], Awaitable[R]]) -> R:
        """What ``work`` gives on an engine that is alive."""
        deaths = 0
        while True:
            alone = deaths >= ALONE_AFTER
            async with self._gate.alone() if alone else self._gate.shared():
                engine = await self.get()
                current = self._current
                try:
                    result = await work(engine)
                except EngineDied as error:
                    deaths += 1
                    await self._died(current, engine, error)
                    if alone:
                        raise RequestRefusedError(
                            f"{error}: it stopped each of the {deaths} times that it worked on this request",
                            Reason.CRASHED,
                        ) from error
                else:
                    self._barren = 0
                    return result

    async def _died(self, dead: Starts[T] | None, engine: T, error: EngineDied) -> None:
        """All that were in flight come here; the first of them buries it."""
        if self._current is not dead:
            return
        self._current = None
        self.deaths += 1
        self._barren += 1
        with contextlib.suppress(Exception):
            await self._bury(engine)
        if self._barren >= MOST_BARREN:
            raise ModelUnavailableError(
                f"{error}: {self._barren} engines stopped one after another, and none had answered"
            )


class Gate:
    """Many may be inside together, or one alone. Who wants to be alone goes before those who come later."""

    def __init__(self) -> None:
        self._inside = 0
        self._alone = False
        self._lonely: deque[asyncio.Future[None]] = deque()
        self._others: deque[asyncio.Future[None]] = deque()

    @contextlib.asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        while self._alone or self._lonely:
            await self._wait(self._others)
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            self._wake()

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        while self._alone or self._inside:
            await self._wait(self._lonely)
        self._alone = True
        try:
            yield
        finally:
            self._alone = False
            self._wake()

    async def _wait(self, queue: deque[asyncio.Future[None]]) -> None:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(place)
        try:
            await place
        except asyncio.CancelledError:
            with contextlib.suppress(ValueError):
                queue.remove(place)
            self._wake()
            raise

    def _wake(self) -> None:
        if self._alone:
            return
        if self._lonely:
            if not self._inside:
                _settle(self._lonely.popleft())
            return
        while self._others:
            _settle(self._others.popleft())


def _settle(place: asyncio.Future[None]) -> None:
    if not place.done():
        place.set_result(None)
