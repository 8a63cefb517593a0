"""Where the time of an event loop's thread goes: own time per function, and for how long nothing else could run."""

from __future__ import annotations

import asyncio
import cProfile
import pstats
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
IDLE = "select.epoll"
LONG = 0.02
"""Seconds at once in which nothing else can run: worth a name."""


def profiled(work: Coroutine[Any, Any, T], top: int = 10) -> tuple[T, str]:
    """What ``asyncio.run`` gives, and an account of its thread in Markdown. Under the profiler everything takes longer, and
    small functions most: the shares are what to look at."""
    longest: list[tuple[float, str]] = []
    busy = 0.0
    step = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        nonlocal busy
        began = time.perf_counter()
        step(handle)
        took = time.perf_counter() - began
        busy += took
        if took > LONG:
            longest.append((took, _what(handle)))

    profile = cProfile.Profile()
    asyncio.Handle._run = timed  # type: ignore[method-assign, assignment]
    began = time.perf_counter()
    try:
        result = profile.runcall(asyncio.run, work)
    finally:
        asyncio.Handle._run = step  # type: ignore[method-assign]
    whole = time.perf_counter() - began
    rows = [
        (own, calls, _name(function))
        for function, (_, calls, own, _, _) in pstats.Stats(profile).stats.items()  # type: ignore[attr-defined]
        if IDLE not in function[2] and own > 0
    ]
    lines = [
        f"| {own:.2f} s | {own / busy:.1%} | {calls:,} | `{name}` |"
        for own, calls, name in sorted(rows)[: -top - 1 : -1]
    ]
    blocks = [f"| {1000 * took:.0f} ms | `{what}` |" for took, what in sorted(longest)[: -top - 1 : -1]]
    head = f"Busy {busy:.1f} s of {whole:.1f} s; {len(longest)} times for more than {1000 * LONG:.0f} ms at once."
    lines = ["| own time | of busy | calls | function |", "| --- | --- | --- | --- |", *lines]
    return result, "\n".join([head, "", *lines, "", "| at once | what ran |", "| --- | --- |", *blocks])


def _what(handle: asyncio.Handle) -> str:
    """A task is told by its coroutine, and by the coroutine that it now waits in."""
    ran: Any = handle._callback  # type: ignore[attr-defined]
    task = getattr(ran, "__self__", None)
    if not isinstance(task, asyncio.Task):
        return getattr(ran, "__qualname__", repr(ran))
    outer: Any = task.get_coro()
    inner = outer
    while getattr(inner, "cr_await", None) is not None and hasattr(inner.cr_await, "cr_code"):
        inner = inner.cr_await
    return outer.__qualname__ if inner is outer else f"{outer.__qualname__} … {inner.__qualname__}"


def _name(function: tuple[str, int, str]) -> str:
    path, line, name = function
    if path == "~":
        return name.strip("<>")
    parts = Path(path).parts
    return f"{'/'.join(parts[-3:])}:{line} {name}"
