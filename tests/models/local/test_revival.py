"""An engine that dies: restarted, its requests asked again, and the one that kills it found out."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from constitutional.errors import ModelUnavailableError, RequestRefusedError
from constitutional.models.local.revival import ALONE_AFTER, MOST_BARREN, Engine, EngineDied, Gate


@dataclass(eq=False)
class Machine:
    """Answers after a turn of the event loop. A poisoned request takes it down, and everything with it."""

    alive: bool = True
    asked: list[str] = field(default_factory=list)

    async def answer(self, text: str) -> str:
        self.asked.append(text)
        await asyncio.sleep(0)
        if text.startswith("poison"):
            self.alive = False
        await asyncio.sleep(0)
        if not self.alive:
            raise EngineDied("the engine has stopped")
        return text.upper()


@dataclass
class Shop:
    made: list[Machine] = field(default_factory=list)
    buried: list[Machine] = field(default_factory=list)

    def engine(self) -> Engine[Machine]:
        async def bury(machine: Machine) -> None:
            self.buried.append(machine)

        return Engine(lambda: Started(self), bury)


class Started:
    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._machine: Machine | None = None

    async def get(self) -> Machine:
        if self._machine is None:
            self._machine = Machine()
            self._shop.made.append(self._machine)
        return self._machine


async def ask(engine: Engine[Machine], text: str) -> str:
    return await engine.use(lambda machine: machine.answer(text))


def test_a_poisoned_request_is_isolated_and_all_others_are_answered() -> None:
    async def run() -> list[str | BaseException]:
        engine = shop.engine()
        texts = [f"text {n}" for n in range(20)]
        return await asyncio.gather(
            *(ask(engine, text) for text in [*texts[:7], "poison", *texts[7:]]), return_exceptions=True
        )

    shop = Shop()
    answers = asyncio.run(run())
    refused = answers.pop(7)
    assert answers == [f"TEXT {n}" for n in range(20)]
    assert isinstance(refused, RequestRefusedError)
    assert refused.reason == "crashed_engine"
    assert "each of the 3 times" in str(refused)
    assert shop.buried == shop.made[:-1] or shop.buried == shop.made
    assert len(shop.buried) == ALONE_AFTER + 1, "no engine dies for it once more"
    for machine in shop.made[ALONE_AFTER:]:
        if "poison" in machine.asked:
            assert machine.asked[-1] == "poison", "nobody was in flight beside it"


def test_an_engine_that_always_dies_ends_the_run() -> None:
    async def run() -> None:
        engine = shop.engine()
        await asyncio.gather(*(ask(engine, f"poison {n}") for n in range(10)))

    shop = Shop()
    with pytest.raises((ModelUnavailableError, RequestRefusedError)):
        asyncio.run(run())
    assert len(shop.made) <= MOST_BARREN


def test_two_poisons_are_both_found() -> None:
    async def run() -> list[str | BaseException]:
        engine = shop.engine()
        texts = ["poison a", "b", "poison c", "d"]
        return await asyncio.gather(*(ask(engine, text) for text in texts), return_exceptions=True)

    shop = Shop()
    first, b, second, d = asyncio.run(run())
    assert (b, d) == ("B", "D")
    assert isinstance(first, RequestRefusedError)
    assert isinstance(second, RequestRefusedError)


def test_alone_means_alone_and_a_cancelled_wait_blocks_nobody() -> None:
    async def run() -> None:
        gate, inside = Gate(), list[object]()

        async def together(name: int) -> None:
            async with gate.shared():
                inside.append(name)
                await asyncio.sleep(0)
                assert "alone" not in inside
                inside.remove(name)

        async def alone() -> None:
            async with gate.alone():
                assert not inside
                inside.append("alone")
                await asyncio.sleep(0)
                inside.clear()

        given_up = asyncio.ensure_future(alone())
        async with gate.shared():
            await asyncio.sleep(0)
            given_up.cancel()
            await asyncio.sleep(0)
        await asyncio.gather(*(together(n) if n % 3 else alone() for n in range(30)))

    asyncio.run(run())
