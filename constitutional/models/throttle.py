"""How many calls are in flight to one model, how fast they are sent, and what happens when one fails.

- Concurrency starts moderate and grows while it helps; it is halved when the server says that it is overloaded.
- A 429 is judged by the *share* of 429s in a window. A stray one pauses that request alone, and frees its place. A real
  limit pauses everybody for as long as the server asks, and from then on calls are sent at the rate that the server was
  seen to admit, probing gently upwards. No request ever fails because of 429s.
- 5xx, time-outs, resets and malformed replies are retried a few times with jitter; anything else is not retried.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Protocol, TypeVar

from constitutional.errors import ModelUnavailableError, RateLimitedError, RunStoppedError, TransientError

T = TypeVar("T")

START, EASY = 32, 64
"""Calls in flight at the start, and up to where they grow without proof that it helps."""
HELPS = 1.05
TRIES, FIRST_TRIES = 7, 3
"""Tries of a call that fails; fewer when a server that has never answered refuses the connection."""
FIRST_PAUSE, LONGEST_PAUSE, LONGEST_WAIT = 0.25, 30.0, 600.0
"""Seconds: the last is the most that a call waits because its server said so."""
WINDOW = 2.0
"""Seconds of outcomes by which a limit is judged."""
LIMIT_SHARE, PACED_SHARE = 0.2, 0.1
"""More 429s than this share are a real limit; once calls are paced, a smaller share already says: slower."""
FEWEST = 5
"""429s in the window before it can be a real limit: two or three are always stray."""
PROBE, MOST_PROBE = 1.05, 1.25
"""How much faster a paced model is tried each second."""


class Lane(Protocol):
    """How calls to a model are let through."""

    async def call(self, ask: Callable[[], Awaitable[T]]) -> T: ...


class Throttle:
    """One per model and process; ``name`` is the model's, for whoever watches. ``at_once``: no careful start, as with an
    engine that has a queue of its own. ``clock`` is for tests."""

    def __init__(
        self, most: int, *, clock: Callable[[], float] = monotonic, name: str = "", at_once: bool = False
    ) -> None:
        self.name = name
        self.most = most
        self.limit = float(most if at_once else min(most, START))
        self.places: Callable[[], int | None] = lambda: None
        """How many calls the model can use, where it knows: asked after each answer."""
        self.active = 0
        self.rate: float | None = None
        """Calls per second, while the server is known to limit them."""
        self.retries: Counter[str] = Counter()
        """Repeated calls by reason."""
        self._clock = clock
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._pausing: set[asyncio.Future[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._stopped: str | None = None
        self._answered = False
        self._outcomes: deque[tuple[float, bool]] = deque()
        self._judged_from = clock()
        self._paused_until = 0.0
        self._next_send = 0.0
        self._probed_at = 0.0
        self._clean = 0
        self._measured = 1.0
        self._growth = Growth()

    @property
    def waiting(self) -> int:
        """Calls that wait for a place, or for a retry."""
        return len(self._waiting) + len(self._pausing)

    async def call(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer, after as many retries as the kind of failure deserves."""
        failures = 0
        while True:
            await self._enter()
            try:
                result = await ask()
            except RateLimitedError as error:
                self.retries[error.reason] += 1
                pause = self._rate_limited(error.retry_after)
            except TransientError as error:
                failures += 1
                if error.reason in ("overloaded", "timeout"):
                    self.limit = self._growth.after_overload(self.limit, self._clock())
                unknown = not self._answered and error.reason == "connection"
                if failures >= (FIRST_TRIES if unknown else TRIES):
                    raise self._given_up(error, failures) from error
                self.retries[error.reason] += 1
                pause = _jittered(failures) if error.retry_after is None else min(error.retry_after, LONGEST_WAIT)
            else:
                self._succeeded()
                return result
            finally:
                self.active -= 1
                self._wake()
            await self._pause(pause)

    def stop(self, why: str) -> None:
        """Calls that are on their way finish; those that wait for a place or for a retry end now."""
        self._stopped = why
        for future in (*self._waiting, *self._pausing):
            if not future.done():
                future.set_exception(RunStoppedError(why))
        self._waiting.clear()

    async def _enter(self) -> None:
        if self._stopped is not None:
            raise RunStoppedError(self._stopped)
        if not self._waiting and self.active < int(self.limit) and self._delay() <= 0:
            self._admit()
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self._wake()
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.active -= 1
                self._wake()
            raise

    async def _pause(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()
        if self._stopped is not None:
            raise RunStoppedError(self._stopped)
        timer = loop.call_later(seconds, _settle, over)
        self._pausing.add(over)
        try:
            await over
        finally:
            timer.cancel()
            self._pausing.discard(over)

    def _wake(self) -> None:
        """Let in whoever may go; where only time is missing, come back then."""
        while self._waiting and self.active < int(self.limit):
            delay = self._delay()
            if delay > 0:
                if self._timer is None:
                    self._timer = asyncio.get_running_loop().call_later(delay, self._timed_wake)
                return
            place = self._waiting.popleft()
            if not place.done():
                self._admit()
                place.set_result(None)

    def _timed_wake(self) -> None:
        self._timer = None
        self._wake()

    def _delay(self) -> float:
        """Seconds until the next call may be sent."""
        until = max(self._paused_until, self._next_send if self.rate else 0.0)
        return until - self._clock() if until else 0.0

    def _admit(self) -> None:
        self.active += 1
        if self.rate:
            self._next_send = max(self._clock(), self._next_send) + 1 / self.rate

    def _succeeded(self) -> None:
        now = self._clock()
        self._answered = True
        self._note(now, True)
        if (places := self.places()) is not None:
            self.limit = float(places)
        elif self.rate is None:
            self.limit = self._growth.after_success(self.limit, self.most, now)
        elif now < self._paused_until:
            self.rate += 1 / self._measured
        elif now - self._probed_at >= 1.0:
            self._probe(now)

    def _rate_limited(self, retry_after: float | None) -> float:
        """How long this request pauses; a real limit also slows everybody down."""
        now = self._clock()
        self._note(now, False)
        pause = max(0.05, _jittered(2) if retry_after is None else min(retry_after, LONGEST_WAIT))
        if now >= self._paused_until and self._is_limit(now):
            self._slow_down(now, pause)
        return pause

    def _probe(self, now: float) -> None:
        """A little faster each second, and faster still while nothing at all is refused."""
        refused = any(not fine for _, fine in self._outcomes)
        self._clean = 0 if refused else self._clean + 1
        self.rate = (self.rate or 0.1) * min(PROBE**2**self._clean, MOST_PROBE)
        self._probed_at = now

    def _slow_down(self, now: float, pause: float) -> None:
        """The server's own rate is the one that it was seen to admit. When it is met for the first time, or refuses most
        of what is sent, everybody waits, and answers that were on their way still count. When it was only tried a little
        too fast, slower is enough."""
        admitted = sum(1 for _, fine in self._outcomes if fine)
        self._measured = max(1.0, min(now - self._judged_from, WINDOW))
        wait = self.rate is None or admitted < len(self._outcomes) / 2
        self.rate = max(admitted / self._measured, 0.1)
        self._judged_from = self._probed_at = now
        if wait:
            self._paused_until = self._judged_from = self._probed_at = now + pause
            self._next_send = 0.0
        self._outcomes.clear()

    def _is_limit(self, now: float) -> bool:
        if self.rate is not None and now - self._judged_from < 1.0:
            return False
        limited = sum(1 for _, fine in self._outcomes if not fine)
        share = LIMIT_SHARE if self.rate is None else PACED_SHARE
        return limited >= FEWEST and limited > share * len(self._outcomes)

    def _note(self, now: float, fine: bool) -> None:
        self._outcomes.append((now, fine))
        while self._outcomes[0][0] < now - WINDOW:
            self._outcomes.popleft()

    def _given_up(self, error: TransientError, tries: int) -> Exception:
        """A model that has never answered anything is not worth asking ten thousand times."""
        if self._answered or error.reason not in ("connection", "timeout"):
            return error
        return ModelUnavailableError(f"{error.message}: no answer after {tries} tries; is the server running?")


class Growth:
    """Quickly to ``EASY``; beyond, in steps, and only as long as more calls in flight mean more answers a second."""

    def __init__(self) -> None:
        self._before: tuple[float, float] | None = None
        """The limit and throughput of the step before."""
        self._since = 0.0
        self._answers = 0
        self._settled_until = 0.0
        self._halved_at = 0.0

    def after_success(self, limit: float, most: int, now: float) -> float:
        if (limit >= most and self._before is None) or now < self._settled_until:
            return limit
        if limit < EASY:
            return min(float(most), limit + 2)
        self._since = self._since or now
        self._answers += 1
        elapsed = now - self._since
        if self._answers < 2 * limit or elapsed < 0.5:
            return limit
        throughput = self._answers / elapsed
        before, self._before = self._before, (limit, throughput)
        self._since, self._answers = 0.0, 0
        if before is not None and limit > before[0] and throughput < HELPS * before[1]:
            self._before, self._settled_until = None, now + 30.0
            return before[0]
        return min(float(most), limit * 1.5)

    def after_overload(self, limit: float, now: float) -> float:
        if now - self._halved_at < 1.0:
            return limit
        self._before, self._since, self._answers = None, 0.0, 0
        self._halved_at, self._settled_until = now, now + 5.0
        return max(1.0, limit / 2)


def _settle(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)


def _jittered(failures: int) -> float:
    return random.uniform(0.5, 1.0) * min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**failures)
