"""Calls side by side: what shares a prefix lets one go first, and a failure ends its siblings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


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
    """The results in order. The first call goes alone, so that the rest find their common prefix in the cache."""
    if not calls:
        return []
    first = await calls[0]()
    return [first, *await together(call() for call in calls[1:])]
