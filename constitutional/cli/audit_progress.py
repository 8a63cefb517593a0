"""How an audit is going, in one line on stderr."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from time import monotonic

import click

from constitutional.audit.ask import Asking
from constitutional.cli.progress import PLAIN_EVERY, REFRESH, duration


class Ticker:
    """Redrawn on a terminal; a line now and then elsewhere."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._asking: Asking | None = None
        self._began = monotonic()
        self._task: asyncio.Task[None] | None = None

    def begin(self, asking: Asking) -> None:
        self._asking = asking

    async def __aenter__(self) -> Ticker:
        self._task = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        if self._terminal and not self._quiet and self._asking is not None:
            self._draw()
            sys.stderr.write("\n")

    async def _tick(self) -> None:
        while not self._quiet:
            await asyncio.sleep(REFRESH if self._terminal else PLAIN_EVERY)
            if self._asking is None:
                continue
            if self._terminal:
                self._draw()
            else:
                click.echo(self._line(self._asking), err=True)

    def _draw(self) -> None:
        assert self._asking is not None
        sys.stderr.write(f"\r\x1b[2K{self._line(self._asking)}")
        sys.stderr.flush()

    def _line(self, asking: Asking) -> str:
        elapsed, meter = monotonic() - self._began, asking.meter
        rate = asking.done / elapsed if elapsed else 0.0
        left = f"  {duration((asking.total - asking.done) / rate)} left" if rate else ""
        cost = f"  cost {meter.cost:.4f}" if meter.cost else ""
        failed = "".join(f"  {reason} {count}" for reason, count in asking.failures.items())
        return (
            f"comparisons {asking.done:,}/{asking.total:,}  {rate:.1f}/s{left}  calls {meter.calls_made:,} made, "
            f"{meter.calls_reused:,} reused{cost}{failed}"
        )
