"""Calls that share a prefix: one goes first, so that the rest find it in the cache."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


async def leader_first(calls: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """The results in order."""
    if not calls:
        return []
    first = await calls[0]()
    return [first, *await asyncio.gather(*(call() for call in calls[1:]))]
