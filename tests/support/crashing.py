"""A model for runs that lose processes: ``scripted:tests.support.crashing:answer`` plays the world of ``runs``, and kills
its own process where the prompt says so."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from constitutional.core.messages import ChatRequest
from tests.support.runs import World

_world = World()


def answer(request: ChatRequest, options: tuple[str, ...] | None) -> Any:
    text = request.messages[-1].content
    if "poison" in text and not text.startswith("You "):
        os.kill(os.getpid(), signal.SIGKILL)
    return _world.answer(request, options)


def slow(request: ChatRequest, options: tuple[str, ...] | None) -> Any:
    """Slow enough to be killed in the middle."""
    time.sleep(0.002)
    return _world.answer(request, options)
