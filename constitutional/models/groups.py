"""Calls side by side: what shares a prefix lets one go first, and a failure ends its siblings."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")
_BATCHING: ContextVar[bool] = ContextVar("batching", default=False)
_QUEUED: ContextVar[tuple[asyncio.Event, ...]] = ContextVar("queued", default=())
"""Who is told when this call has joined a batch: its own group, and the group around that one."""


async def together(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results in order. When one fails the others are cancelled: nothing is asked in vain."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def leader_first(calls: Sequence[Callable[[], Coroutine[Any, Any, T]]]) -> list[T]:
    """The results in order. The first call goes alone, so that the rest find their common prefix in the cache. Where it
    waits for a provider's batch there is no such cache, and the rest join the same batch."""
    if not calls:
        return []
    if _BATCHING.get():
        return await _all_in_one_batch(calls)
    first = await calls[0]()
    return [first, *await together(call() for call in calls[1:])]


async def _all_in_one_batch(calls: Sequence[Callable[[], Coroutine[Any, Any, T]]]) -> list[T]:
    queued = asyncio.Event()
    before = _QUEUED.set((*_QUEUED.get(), queued))
    try:
        leader = asyncio.ensure_future(calls[0]())
    finally:
        _QUEUED.reset(before)
    signal = asyncio.ensure_future(queued.wait())

    async def first() -> T:
        return await leader

    try:
        await asyncio.wait((leader, signal), return_when=asyncio.FIRST_COMPLETED)
        if leader.done() and not leader.cancelled() and leader.exception() is not None:
            return [leader.result()]
        return await together([first(), *(call() for call in calls[1:])])
    finally:
        signal.cancel()
        leader.cancel()


@contextlib.contextmanager
def batching() -> Iterator[None]:
    """While some model is asked by batches."""
    before = _BATCHING.set(True)
    try:
        yield
    finally:
        _BATCHING.reset(before)


def joined_a_batch() -> None:
    """Said by what puts a request into a batch: whoever waits for this call's prefix waits in vain."""
    for queued in _QUEUED.get():
        queued.set()
