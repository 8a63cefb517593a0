"""Ending a training early: Ctrl-C, a guard, whoever asks."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

INTERRUPTED = "interrupted"


@dataclass(slots=True)
class Stop:
    """``because`` is why the training ends at its next step; empty while it goes on."""

    because: str = ""

    def ask(self, because: str) -> None:
        """The first reason stands."""
        self.because = self.because or because

    @property
    def asked(self) -> bool:
        return bool(self.because)

    @property
    def interrupted(self) -> bool:
        return self.because == INTERRUPTED


@contextmanager
def listening(stop: Stop, say: Any) -> Iterator[None]:
    """Ctrl-C and a termination request end the training at its next step, with a checkpoint; a second one ends it now."""

    def asked(number: int, frame: FrameType | None) -> None:
        if stop.interrupted:
            raise KeyboardInterrupt
        stop.ask(INTERRUPTED)
        say(
            "interrupted: writing a checkpoint after this step (again: stop now, and lose what came after the last one)"
        )

    try:
        before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread: whoever owns the signals asks by itself
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
