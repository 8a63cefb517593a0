"""Coroutines from code that is no coroutine, wherever that code is run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run``, also where a loop runs already, as in a notebook: then in a thread of its own, for which this one
    waits. Ctrl-C cancels the work there too."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    begun: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []
    interrupted = threading.Event()

    async def noted() -> T:
        task = asyncio.current_task()
        assert task is not None
        begun.append((asyncio.get_running_loop(), task))
        if interrupted.is_set():
            task.cancel()
        return await work

    with ThreadPoolExecutor(1) as beside:
        future = beside.submit(lambda: asyncio.run(noted()))
        try:
            return future.result()
        except KeyboardInterrupt:
            interrupted.set()
            for loop, task in begun:
                loop.call_soon_threadsafe(task.cancel)
            raise
