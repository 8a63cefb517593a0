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


def profiled(work: Coroutine[Any, Any, T], top: int = 10) -> tuple[T, str]:
    """What ``asyncio.run`` gives, and an account of its thread in Markdown. Under the profiler everything takes longer, and
    small functions most: the shares are what to look at."""
    longest, busy = 0.0, 0.0
    step = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        nonlocal longest, busy
        began = time.perf_counter()
        step(handle)
        took = time.perf_counter() - began
        longest, busy = max(longest, took), busy + took

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
    head = f"Busy {busy:.1f} s of {whole:.1f} s; at most {1000 * longest:.0f} ms at once."
    return result, "\n".join(
        [head, "", "| own time | of busy | calls | function |", "| --- | --- | --- | --- |", *lines]
    )


def _name(function: tuple[str, int, str]) -> str:
    path, line, name = function
    if path == "~":
        return name.strip("<>")
    parts = Path(path).parts
    return f"{'/'.join(parts[-3:])}:{line} {name}"
