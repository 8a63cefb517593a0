"""Retries, pauses and pacing, on a clock of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from constitutional.errors import (
    ModelUnavailableError,
    RateLimitedError,
    RequestRefusedError,
    RunStoppedError,
    TransientError,
)
from constitutional.models import throttle as module
from constitutional.models.throttle import Growth, Throttle


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def failing(*errors: Exception, then: str = "answer") -> Callable[[], Awaitable[str]]:
    left = list(errors)

    async def ask() -> str:
        if left:
            raise left.pop(0)
        return then

    return ask


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.0001)


def test_what_may_pass_is_retried_and_429s_never_run_out() -> None:
    async def run() -> None:
        throttle = Throttle(4)
        assert (
            await throttle.call(failing(TransientError("x", "server_error"), TransientError("y", "timeout")))
            == "answer"
        )
        assert await throttle.call(failing(*[RateLimitedError("slow", 0.0)] * 4)) == "answer"
        assert throttle.retries == {"server_error": 1, "timeout": 1, "rate_limited": 4}
        assert throttle.active == 0

    asyncio.run(run())


@pytest.mark.parametrize(
    "error", [TransientError("down", "overloaded", float("inf")), RateLimitedError("slow", float("inf"))]
)
def test_a_server_that_asks_for_a_day_is_asked_again_before(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_WAIT", 0.001)
    assert asyncio.run(asyncio.wait_for(Throttle(4).call(failing(error)), 30)) == "answer"


def test_a_refused_request_is_not_repeated() -> None:
    calls = 0

    async def ask() -> str:
        nonlocal calls
        calls += 1
        raise RequestRefusedError("no")

    with pytest.raises(RequestRefusedError):
        asyncio.run(Throttle(4).call(ask))
    assert calls == 1


def test_a_failing_server_is_given_up_at_last() -> None:
    async def run() -> None:
        throttle = Throttle(4)
        await throttle.call(failing())
        with pytest.raises(TransientError):
            await throttle.call(failing(*[TransientError("x", "server_error")] * module.TRIES))

    asyncio.run(run())


def test_a_server_that_never_answered_is_unavailable() -> None:
    with pytest.raises(ModelUnavailableError, match="is the server running"):
        asyncio.run(Throttle(4).call(failing(*[TransientError("x", "connection")] * module.TRIES)))


def test_no_more_calls_than_the_limit_are_in_flight() -> None:
    most = 0
    now = 0

    async def ask() -> None:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1

    async def run() -> None:
        throttle = Throttle(3)
        await asyncio.gather(*(throttle.call(ask) for _ in range(50)))

    asyncio.run(run())
    assert most == 3


def test_who_came_first_goes_first() -> None:
    order: list[int] = []

    async def asked(number: int) -> None:
        order.append(number)
        await asyncio.sleep(0)

    async def run() -> None:
        throttle = Throttle(2)
        await asyncio.gather(*(throttle.call(partial(asked, n)) for n in range(20)))

    asyncio.run(run())
    assert order == list(range(20))


def test_a_model_that_knows_its_places_is_given_that_many() -> None:
    async def run() -> None:
        throttle = Throttle(64, at_once=True)
        known: list[int | None] = [None]
        throttle.places = lambda: known[0]
        await throttle.call(failing())
        assert throttle.limit == 64
        known[0] = 300
        await throttle.call(failing())
        assert throttle.limit == 300
        known[0] = 20
        await throttle.call(failing())
        assert throttle.limit == 20

    asyncio.run(run())


def outcomes(throttle: Throttle, clock: Clock, kinds: str, seconds: float) -> None:
    """A dot is an answer, an x a 429; spread evenly over these seconds."""

    async def run() -> None:
        for kind in kinds:
            clock.now += seconds / len(kinds)
            throttle._succeeded() if kind == "." else throttle._rate_limited(1.0)

    asyncio.run(run())


def test_stray_429s_slow_nobody_down() -> None:
    clock = Clock()
    throttle = Throttle(64, clock=clock)
    outcomes(throttle, clock, ("." * 19 + "x") * 20, 4.0)
    assert throttle.rate is None


def test_a_real_limit_sets_the_rate_that_was_admitted_and_makes_all_wait() -> None:
    clock = Clock()
    throttle = Throttle(64, clock=clock)
    outcomes(throttle, clock, "." * 60 + "x" * 20, 1.0)
    assert throttle.rate == pytest.approx(60, rel=0.15)
    assert throttle._delay() > 0.5


def test_a_paced_model_is_tried_a_little_faster_each_second() -> None:
    clock = Clock()
    throttle = Throttle(64, clock=clock)
    outcomes(throttle, clock, "." * 60 + "x" * 20, 1.0)
    before = throttle.rate
    assert before is not None
    clock.now += 1.0
    outcomes(throttle, clock, "." * 60, 1.1)
    assert throttle.rate is not None
    assert before < throttle.rate <= before * module.MOST_PROBE


def test_stopping_ends_whoever_waits_and_lets_the_rest_finish() -> None:
    async def run() -> None:
        throttle = Throttle(1)
        release = asyncio.Event()

        async def slow() -> str:
            await release.wait()
            return "finished"

        running = asyncio.create_task(throttle.call(slow))
        waiting = asyncio.create_task(throttle.call(slow))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        throttle.stop("enough")
        release.set()
        assert await running == "finished"
        with pytest.raises(RunStoppedError, match="enough"):
            await waiting
        with pytest.raises(RunStoppedError):
            await throttle.call(slow)

    asyncio.run(run())


def test_a_cancelled_call_gives_its_place_back() -> None:
    async def run() -> None:
        throttle = Throttle(1)
        never = asyncio.Event()
        first = asyncio.create_task(throttle.call(never.wait))
        second = asyncio.create_task(throttle.call(never.wait))
        await asyncio.sleep(0)
        second.cancel()
        first.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        assert throttle.active == 0
        assert await throttle.call(failing()) == "answer"

    asyncio.run(run())


def test_growth_stops_where_it_does_not_help() -> None:
    """A server with 100 places: more calls in flight than that only queue."""
    growth, limit, now = Growth(), 32.0, 0.0
    for _ in range(60_000):
        now += 1 / min(limit, 100.0) / 10
        limit = growth.after_success(limit, 1024, now)
    assert 64 <= limit <= 300


def test_growth_goes_on_while_it_helps() -> None:
    growth, limit, now = Growth(), 32.0, 0.0
    for _ in range(60_000):
        now += 1 / limit / 10
        limit = growth.after_success(limit, 1024, now)
    assert limit == 1024


def test_an_overloaded_server_gets_half_and_at_most_once_a_second() -> None:
    growth = Growth()
    assert growth.after_overload(64, 10.0) == 32
    assert growth.after_overload(32, 10.5) == 32
    assert growth.after_overload(32, 11.5) == 16
