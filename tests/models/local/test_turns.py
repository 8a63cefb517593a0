"""Engines that fit on one GPU only in turns."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from constitutional.models.local.turns import Turns


@dataclass(eq=False)
class Engine:
    name: str
    diary: list[str]
    awake: bool = False
    fails: bool = False
    answered: list[int] = field(default_factory=list)

    async def sleep(self) -> None:
        assert self.awake
        self.awake = False
        self.diary.append(f"{self.name} sleeps")
        await asyncio.sleep(0)

    async def wake(self) -> None:
        await asyncio.sleep(0)
        if self.fails:
            raise MemoryError(self.name)
        self.awake = True
        self.diary.append(f"{self.name} wakes")


async def ask(turns: Turns, engine: Engine, others: list[Engine], number: int) -> None:
    async with turns.of(engine):
        assert engine.awake
        assert not any(other.awake for other in others if other is not engine)
        await asyncio.sleep(0)
        assert engine.awake
        engine.answered.append(number)


def test_only_one_is_awake_and_a_turn_lasts_while_there_is_work() -> None:
    async def run() -> None:
        turns = Turns()
        await asyncio.gather(*(ask(turns, engines[n % 3], engines, n) for n in range(60)))

    diary: list[str] = []
    engines = [Engine(name, diary) for name in "abc"]
    asyncio.run(run())
    assert [len(engine.answered) for engine in engines] == [20, 20, 20]
    assert diary == ["a wakes", "a sleeps", "b wakes", "b sleeps", "c wakes"]


def test_a_turn_ends_though_there_is_always_work() -> None:
    async def busy(turns: Turns, engine: Engine) -> None:
        number = 0
        while not other.answered:
            await ask(turns, engine, [engine, other], number)
            number += 1

    async def run() -> None:
        turns = Turns(longest=0.0)
        await asyncio.wait_for(
            asyncio.gather(busy(turns, first), busy(turns, first), ask(turns, other, [first], 0)), 20
        )

    diary: list[str] = []
    first, other = Engine("first", diary), Engine("other", diary)
    asyncio.run(run())
    assert "other wakes" in diary


def test_one_alone_never_sleeps_and_a_cancelled_wait_is_forgotten() -> None:
    async def run() -> None:
        turns = Turns()
        async with turns.of(first):
            waiting = asyncio.ensure_future(ask(turns, other, [first], 0))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.gather(*(ask(turns, first, [other], n) for n in range(5)))

    diary: list[str] = []
    first, other = Engine("first", diary), Engine("other", diary)
    asyncio.run(run())
    assert diary == ["first wakes"]


def test_an_engine_that_cannot_wake_says_so_to_all_that_wait_for_it() -> None:
    async def run() -> list[BaseException | None]:
        turns = Turns()
        calls = [ask(turns, first if n % 2 else broken, [first, broken], n) for n in range(6)]
        return list(await asyncio.gather(*calls, return_exceptions=True))

    diary: list[str] = []
    first, broken = Engine("first", diary), Engine("broken", diary, fails=True)
    found = asyncio.run(run())
    assert [type(error) for error in found[::2]] == [MemoryError] * 3
    assert found[1::2] == [None] * 3
    assert first.answered


def test_one_that_was_shut_down_is_not_put_to_sleep() -> None:
    async def run() -> None:
        turns = Turns()
        await ask(turns, first, [], 0)
        turns.gone(first)
        await ask(turns, other, [], 0)

    diary: list[str] = []
    first, other = Engine("first", diary), Engine("other", diary)
    asyncio.run(run())
    assert diary == ["first wakes", "other wakes"]
