"""A run with its live display on stderr, and Ctrl-C: once = finish what is in flight, twice = now."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click

from constitutional.cli.structured import Log
from constitutional.config.run import RunConfig
from constitutional.core.plain import one_line
from constitutional.ledger import RunFolder, SentBatch
from constitutional.models.batches.desk import Desk
from constitutional.models.meter import RoleCount
from constitutional.pipeline.run import run_prompts
from constitutional.pipeline.state import RunState
from constitutional.pipeline.stop import Stop, on_interrupt
from constitutional.plugins import PluginHost
from constitutional.roles import RunResult

REFRESH = 0.25
PLAIN_EVERY, LOG_EVERY = 30.0, 10.0
"""Seconds between lines where stderr is no terminal, and between those of a log."""


def say_interrupted(*, again: bool) -> None:
    """A Ctrl-C was heard, and what happens now."""
    click.echo(
        f"\ninterrupted: {'stopping now' if again else 'finishing the calls in flight (again: stop now)'}", err=True
    )


async def run_with_progress(
    config: RunConfig,
    folder: RunFolder,
    host: PluginHost,
    base: Path,
    *,
    quiet: bool,
    log: Log | None = None,
    started: Callable[[RunState], None] | None = None,
) -> tuple[RunResult, RunState, bool]:
    """The result, the final counts, and whether it was asked to end at once. ``log`` takes the place of the display;
    ``started`` is given the counts too."""
    stop, display = Stop(), Display(quiet=quiet, log=log)

    def interrupted() -> None:
        stop.ask()
        if log is not None:
            log.say("interrupted", "warning", now=stop.now.is_set())
        elif not quiet:
            say_interrupted(again=stop.now.is_set())

    def begin(state: RunState) -> None:
        display.begin(state)
        for listener in (started, log.begin if log is not None else None):
            if listener is not None:
                listener(state)

    with on_interrupt(interrupted):
        ticker = asyncio.create_task(display.tick())
        try:
            result = await run_prompts(config, folder, host, base, stop=stop, started=begin)
        finally:
            ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ticker
            display.end()
    assert display.state is not None
    return result, display.state, stop.now.is_set()


class Display:
    """Four lines that are redrawn on a terminal; one line now and then elsewhere."""

    def __init__(self, *, quiet: bool, log: Log | None = None) -> None:
        self.state: RunState | None = None
        self._quiet = quiet and log is None
        self._log = log
        self._terminal = sys.stderr.isatty() and log is None
        self._drawn = 0

    def begin(self, state: RunState) -> None:
        self.state = state

    async def tick(self) -> None:
        while not self._quiet:
            await asyncio.sleep(REFRESH if self._terminal else LOG_EVERY if self._log else PLAIN_EVERY)
            if self.state is None:
                continue
            if self._log is not None:
                self._log.progress(self.state)
            elif self._terminal:
                self._draw(lines(self.state))
            else:
                shown = lines(self.state)
                click.echo(" | ".join([*shown[:2], *shown[4:]]), err=True)

    def end(self) -> None:
        if self._terminal and not self._quiet and self.state is not None:
            self._draw(lines(self.state))

    def _draw(self, shown: list[str]) -> None:
        width = shutil.get_terminal_size((100, 24)).columns
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        sys.stderr.write(up + "".join(f"\x1b[2K{line[: width - 1]}\n" for line in shown))
        sys.stderr.flush()
        self._drawn = len(shown)


def lines(state: RunState) -> list[str]:
    of = f"/{state.total:,}" if state.total is not None else ""
    left = "" if state.seconds_left is None else f"  {duration(state.seconds_left)} left"
    shown = [f"prompts  {state.prompts:,}{of}  {state.rate:.1f}/s{left}  pairs {state.pairs:,}"]
    total = RoleCount()
    for count in state.meter.counts.values():
        total.prompt += count.prompt
        total.completion += count.completion
        total.cached += count.cached
        total.cost += count.cost
    meter = state.meter
    cost = f"  cost {total.cost:.4f}" if total.cost else ""
    shown.append(
        f"calls    {meter.calls_made:,} made, {meter.calls_reused:,} reused  "
        f"tokens {total.prompt:,} in, {total.completion:,} out{cost}"
    )
    reasons = ", ".join(f"{one_line(reason)} {count:,}" for reason, count in state.rejects.most_common(6))
    shown.append(f"rejects  {reasons or 'none'}")
    flights = []
    for throttle in state.throttles.values():
        rate = f" at {throttle.rate:.0f}/s" if throttle.rate else ""
        retried = ", ".join(f"{reason} {count}" for reason, count in throttle.retries.items())
        flights.append(f"{throttle.active}/{int(throttle.limit)} in flight{rate}{retried and f' (retried: {retried})'}")
    shown.append(f"models   {'; '.join(flights)}")
    if state.pool is not None:
        shown.append(f"ray      {state.pool.line()}")
    shown += [_batches(desk) for desk in state.desks]
    return shown


def _batches(desk: Desk) -> str:
    def one(batch: SentBatch, done: int) -> str:
        return f"{done:,} of {batch.requests:,} done, sent {duration(time.time() - batch.at)} ago"

    trouble = "" if desk.trouble is None else f"; waiting for the provider: {one_line(desk.trouble)}"
    out = "; ".join(one(desk.batches[token], status.done) for token, status in desk.out.items())
    return f"batches  {desk.model}: {desk.queued:,} requests gathered; out: {out or 'none'}{trouble}"


def duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
