"""The driver: a bounded window of prompts, each its own coroutine, over one ledger."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

from constitutional.config.run import RunConfig
from constitutional.core.records import Prompt, Reason, Reject, Trace
from constitutional.errors import ConstitutionalError, LedgerError, RunStoppedError
from constitutional.ledger import Ledger
from constitutional.ledger.rows import BadRow, SeenRow, TraceRow
from constitutional.pipeline.resume import Ahead, Done, Next
from constitutional.pipeline.rows import RowFault
from constitutional.pipeline.setup import Assembly
from constitutional.pipeline.state import RunState
from constitutional.pipeline.stop import Stop
from constitutional.pipeline.tags import MOST as MOST_TAGS
from constitutional.pipeline.tags import misspelt_tags
from constitutional.pipeline.trace import not_storable, trace_prompt
from constitutional.plugins import PluginHost
from constitutional.roles import RunResult

WINDOW, PRESSURE = 4, 2
"""A prompt is begun while fewer than ``PRESSURE`` calls are under way for each that a model takes at once, so that as many
wait as are answered: the model never waits for a prompt that is between two calls, and prompts that are begun are finished
before more are. ``WINDOW`` prompts per call are the most, whatever they wait for."""
LOOK = 0.02
"""Seconds until it is looked again whether there is room, where no prompt ends in between."""
FEWEST = 4
WAITING = 12_000
"""Questions that wait for a provider's batches at once, about, where a run does not say how many prompts may. Each holds
15 kB or so, 180 MB in all: a tenth of it is its text, held once, and the rest are the hundred small objects of a dozen
coroutines and tasks, none of which is a quarter of it. Fewer would save memory and cost days: a batch may take hours, and
a run of 100 prompts at a time makes twenty times as many, one after the other."""

Tracer = Callable[[Prompt], Awaitable[Trace]]
"""Makes the trace of one prompt: here, or elsewhere."""


class Driver:
    """Keeps prompts in work until there are no more, or until there is a reason to stop."""

    def __init__(
        self,
        config: RunConfig,
        assembly: Assembly,
        ledger: Ledger,
        host: PluginHost,
        state: RunState,
        stop: Stop,
        failed: asyncio.Future[ConstitutionalError],
        session: int,
    ) -> None:
        self._config = config
        self._assembly = assembly
        self._ledger = ledger
        self._host = host
        self._state = state
        self._stop = stop
        self._failed = failed
        self._session = session
        self._trace_prompt: Tracer = functools.partial(trace_prompt, cast=assembly.cast)
        if state.pool is not None:
            self._trace_prompt = state.pool.trace
        self._batch_window = batch_window(config, assembly)
        self._observed = host.observers("trace_finished")
        self._tasks: set[asyncio.Task[None]] = set()
        self._finished = asyncio.Event()
        self._ending = asyncio.Event()
        self._why: str | None = None
        self._status = "complete"

    async def drive(self, ahead: Ahead) -> RunResult:
        watcher = asyncio.create_task(self._watch())
        self._ledger.set_meta("status", "running")
        try:
            try:
                await self._admit(ahead)
            except ConstitutionalError as error:  # the prompts cannot be read any further
                settle(self._failed, error)
            while self._tasks:
                await asyncio.wait(self._tasks)
            if self._stop.now.is_set():
                self._ledger.abandon()
            await self._ledger.landed()
        finally:
            watcher.cancel()
            ahead.close()
            for task in self._tasks:
                task.cancel()
            if self._tasks:  # whoever waited for this run was cancelled: the ledger is closed when nobody writes to it
                await asyncio.wait(self._tasks)
        return await self._result()

    async def _admit(self, ahead: Ahead) -> None:
        """Keep as many prompts in work as the models can use, until there are no more or there is a reason to stop."""
        position = itertools.count()
        while batch := await self._read(ahead):
            for each in batch:
                at, row = next(position), each.row
                if isinstance(row, RowFault):
                    self._bad_row(row, at)
                    continue
                if len(self._state.tags) < MOST_TAGS:
                    self._state.tags.update(row.tags)
                if each.done is not None:
                    self._keep(row, each.done, at)
                    continue
                if each.refusal is not None:
                    self._finish(Trace(row, rejects=(each.refusal,)), at, each.refusal)
                    continue
                while not self._room() and self._why is None:
                    self._finished.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._finished.wait(), LOOK)
                if self._why is not None:
                    return
                self._begin(row, at)
                await asyncio.sleep(0)  # it asks its first questions, and they count

    async def _read(self, ahead: Ahead) -> list[Next]:
        """No rows more, or there is a reason to stop: a source that is slow is not waited for then."""
        reading, ended = ahead.next_batch(), asyncio.ensure_future(self._ending.wait())
        try:
            both: list[asyncio.Future[Any]] = [reading, ended]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else []
        finally:
            ended.cancel()
            reading.cancel()

    def _room(self) -> bool:
        """Whether one more prompt may be begun. Replicas and batches take as many as the window holds."""
        if self._assembly.models.desks:
            return len(self._tasks) < self._batch_window
        if self._state.pool is not None:
            return len(self._tasks) < self._state.pool.window
        if len(self._tasks) < FEWEST:
            return True
        places = [int(throttle.limit) for throttle in self._assembly.models.throttles.values()]
        if len(self._tasks) >= WINDOW * max([self._config.in_flight, *places]):
            return False
        return self._ledger.in_flight < PRESSURE * sum(places)

    def _keep(self, prompt: Prompt, done: Done, position: int) -> None:
        self._state.was_traced(done.pairs, done.reasons, done.failed)
        self._ledger.write(SeenRow(prompt.id, self._session, position))

    def _bad_row(self, row: RowFault, position: int) -> None:
        self._state.bad_row(row.reason)
        failure = row.reason not in Reason.OUTCOMES
        self._ledger.write(BadRow(self._session, position, row.source, row.reason, row.detail, failure))
        self._check_failures()

    def _begin(self, prompt: Prompt, position: int) -> None:
        task = asyncio.get_running_loop().create_task(self._trace(prompt, position))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _trace(self, prompt: Prompt, position: int) -> None:
        try:
            trace = await self._trace_prompt(prompt)
        except RunStoppedError as stopped:
            self._end(str(stopped), "budget")
            return
        except ConstitutionalError as error:
            settle(self._failed, error)
            return
        self._finish(trace, position)

    def _finish(self, trace: Trace, position: int, refusal: Reject | None = None) -> None:
        prompt, state = trace.prompt, self._assembly.state(trace.prompt, refusal)
        try:
            row = TraceRow.of(trace, state, self._session, position)
        except (TypeError, ValueError) as error:
            trace = not_storable(prompt, error)
            row = TraceRow.of(trace, state, self._session, position)
        try:
            self._ledger.write(row)
        except LedgerError as error:
            settle(self._failed, error)
        else:
            self._count(trace)

    def _count(self, trace: Trace) -> None:
        self._state.traced(trace)
        if self._observed:
            self._host.observe("trace_finished", trace=trace)
        self._check_failures()

    def _check_failures(self) -> None:
        if self._state.failing(self._config.max_failure_rate, finished=False):
            self._end(_too_many(self._state, self._config, self._state.judged_over), "too-many-failures")

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._finished.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            fault = (
                error if isinstance(error, ConstitutionalError) else ConstitutionalError(f"internal error: {error!r}")
            )
            settle(self._failed, fault)

    def _end(self, why: str, status: str) -> None:
        """Start no further call; those on their way finish. Batches are waited for only where a budget ended the run: they
        are part of it. Else the next session collects them."""
        if self._why is not None:
            return
        self._why, self._status = why, status
        self._state.meter.stopping = why
        for throttle in self._assembly.models.throttles.values():
            throttle.stop(why)
        if self._state.pool is not None:
            self._state.pool.stop(why)
        if status != "budget":
            for desk in self._assembly.models.desks:
                desk.leave(why)
        self._finished.set()
        self._ending.set()

    async def _watch(self) -> None:
        """Turn an interrupt or a fault that ends the run into the end of it."""
        soon = asyncio.create_task(self._stop.soon.wait())
        try:
            watched: list[asyncio.Future[Any]] = [soon, self._failed]
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            if soon.done():
                self._end("interrupted", "interrupted")
            else:
                self._end(str(self._failed.result()), "failed")
            if not self._failed.done():
                await self._stop.now.wait()
            self._ledger.abandon()
            for task in self._tasks:
                task.cancel()
        finally:
            soon.cancel()

    async def _result(self) -> RunResult:
        if self._failed.done():
            error = self._failed.result()
            if not isinstance(error, LedgerError):
                self._ledger.set_meta("status", "failed")
                await self._ledger.flush()
            raise error
        state, status, message = self._state, self._status, self._why or ""
        if status == "complete" and state.failing(self._config.max_failure_rate, finished=True):
            status, message = "too-many-failures", _too_many(state, self._config, state.seen)
        if status == "complete" and self._config.limit is None:
            state.warnings = misspelt_tags(self._assembly.constitution, self._config, state.tags)
        self._ledger.set_meta("status", status)
        self._ledger.set_meta("session", str(self._session))
        await self._ledger.flush()
        return state.result(status, message)


def batch_window(config: RunConfig, assembly: Assembly) -> int:
    """Prompts in work at once where models are asked by batches: of one, each principle about each answer may wait."""
    constitution = assembly.constitution
    principles = 1 if constitution.mode == "draw" else max(1, len(list(constitution)))
    return config.batch.prompts or max(FEWEST, WAITING // (assembly.cast.responses * principles))


def _too_many(state: RunState, config: RunConfig, over: int) -> str:
    """``over`` is how many prompts the failures are judged to be a share of."""
    reasons = ", ".join(f"{reason} {count}" for reason, count in state.rejects.most_common() if count)
    first, of_all = ("the first ", f" of {over:,}") if over > state.seen else ("", "")
    return (
        f"{state.failures} of {first}{state.seen} prompts failed, more than --max-failure-rate "
        f"{config.max_failure_rate:g}{of_all} ({reasons})"
    )


def settle(future: asyncio.Future[ConstitutionalError], error: ConstitutionalError) -> None:
    if not future.done():
        future.set_result(error)
