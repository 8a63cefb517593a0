"""The one line of an audit or an evaluation."""

from __future__ import annotations

import asyncio
import io
import sys

import pytest

from constitutional.cli.ticker import Ticker
from constitutional.models.meter import Meter
from constitutional.pipeline.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_line_of_a_stage_stays_as_the_stage_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)

    async def two_stages() -> None:
        async with Ticker(quiet=False) as ticker:
            progress = Progress(Meter())
            ticker.begin(progress)
            progress.begin("base answers", 3, {})
            progress.done = 3
            progress.begin("critic and judge", 2, {})

    asyncio.run(two_stages())
    line, rest = shown.getvalue().split("\n", 1)
    assert "base answers 3/3" in line
    assert "critic and judge 0/2" in rest
