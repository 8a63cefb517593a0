"""How an audit or an evaluation is going, in one line on stderr."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
from time import monotonic

import click

from constitutional.cli.progress import PLAIN_EVERY, REFRESH, duration
from constitutional.core.plain import one_line
from constitutional.pipeline.progress import Progress


class Ticker:
    """Redrawn on a terminal; a line per stage, and now and then, elsewhere."""

    def __init__(self, *, quiet: bool) -> None:
        self.progress: Progress | None = None
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._began = monotonic()
        self._task: asyncio.Task[None] | None = None

    def begin(self, progress: Progress) -> None:
        """Stages that begin from now on are said."""
        self.progress = progress
        progress.say = self._staged

    async def __aenter__(self) -> Ticker:
        self._task = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._end_line()

    def _staged(self, line: str) -> None:
        self._end_line()
        self._began = monotonic()
        if not self._quiet and not self._terminal:
            click.echo(one_line(line), err=True)

    def _end_line(self) -> None:
        if self._terminal and not self._quiet and self.progress is not None and self.progress.stage:
            self._draw(self.progress)
            sys.stderr.write("\n")

    async def _tick(self) -> None:
        while not self._quiet:
            await asyncio.sleep(REFRESH if self._terminal else PLAIN_EVERY)
            if self.progress is None:
                continue
            if self._terminal:
                self._draw(self.progress)
            else:
                click.echo(self._line(self.progress), err=True)

    def _draw(self, progress: Progress) -> None:
        width = shutil.get_terminal_size((100, 24)).columns
        sys.stderr.write(f"\r\x1b[2K{self._line(progress)[: width - 1]}")
        sys.stderr.flush()

    def _line(self, progress: Progress) -> str:
        elapsed, meter = monotonic() - self._began, progress.meter
        rate = progress.done / elapsed if elapsed else 0.0
        left = f"  {duration((progress.total - progress.done) / rate)} left" if rate else ""
        cost = f"  cost {meter.cost:.4f}" if meter.cost else ""
        failed = "".join(f"  {reason} {count}" for reason, count in progress.failures.items())
        return one_line(
            f"{progress.stage} {progress.done:,}/{progress.total:,}  {rate:.1f}/s{left}  calls {meter.calls_made:,} made, "
            f"{meter.calls_reused:,} reused{cost}{failed}"
        )
