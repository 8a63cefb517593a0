"""Groups of calls that share a prefix, with a cache and in a batch."""

from __future__ import annotations

import asyncio

import pytest

from constitutional.models.groups import batching, joined_a_batch, leader_first


def test_the_leader_goes_alone() -> None:
    begun: list[int] = []
    before: list[int] = []

    async def call(number: int) -> int:
        begun.append(number)
        await asyncio.sleep(0)
        if number == 0:
            before.extend(begun)
        return number

    assert asyncio.run(leader_first([lambda n=n: call(n) for n in range(4)])) == [0, 1, 2, 3]  # type: ignore[misc]
    assert before == [0]


def test_in_a_batch_the_others_join_the_leader_and_so_do_groups_of_groups() -> None:
    async def run() -> list[list[str]]:
        sent = asyncio.Event()
        queue: list[str] = []

        async def call(name: str) -> str:
            queue.append(name)
            joined_a_batch()
            await sent.wait()
            return name

        async def group(name: str) -> list[str]:
            return await leader_first([lambda n=n: call(f"{name}{n}") for n in range(3)])  # type: ignore[misc]

        with batching():
            task = asyncio.ensure_future(leader_first([lambda n=n: group(n) for n in "ab"]))  # type: ignore[misc]
        for _ in range(30):
            await asyncio.sleep(0)
        assert sorted(queue) == ["a0", "a1", "a2", "b0", "b1", "b2"], "all of them are in one batch"
        sent.set()
        return await task

    assert asyncio.run(run()) == [["a0", "a1", "a2"], ["b0", "b1", "b2"]]


def test_a_leader_that_has_its_reply_already_lets_the_others_go() -> None:
    async def call(number: int) -> int:
        return number

    async def run() -> list[int]:
        with batching():
            return await leader_first([lambda n=n: call(n) for n in range(3)])  # type: ignore[misc]

    assert asyncio.run(run()) == [0, 1, 2]


def test_a_leader_that_fails_ends_its_group() -> None:
    others: list[int] = []

    async def fails() -> int:
        raise ValueError("no")

    async def other() -> int:
        others.append(1)
        return 1

    async def run() -> None:
        with batching():
            await leader_first([fails, other])

    with pytest.raises(ValueError, match="no"):
        asyncio.run(run())
    assert not others
