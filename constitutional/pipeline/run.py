"""The driver: a bounded window of prompts, each its own coroutine, over one ledger. Resume = run again."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import json
from collections.abc import Awaitable, Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from constitutional.config.run import RunConfig
from constitutional.core.codec import to_json
from constitutional.core.records import Prompt, Reason, Reject, Trace
from constitutional.errors import ConstitutionalError, LedgerError, RunStoppedError
from constitutional.ledger import Ledger, LedgerView, RunFolder
from constitutional.ledger.rows import BadRow, SeenRow, TraceRow
from constitutional.models.groups import batching
from constitutional.models.meter import Meter
from constitutional.pipeline.gate import Gate, state_of
from constitutional.pipeline.prompts import RowFault, count_prompts, read_prompts
from constitutional.pipeline.ray_pool import IN_WORK, RayPool
from constitutional.pipeline.setup import Assembly, answers_key, assemble, recorded
from constitutional.pipeline.state import RunState
from constitutional.pipeline.stop import Stop
from constitutional.pipeline.trace import not_storable, trace_prompt
from constitutional.plugins import PluginHost
from constitutional.roles import RunInfo, RunResult

WINDOW, PRESSURE = 4, 2
"""A prompt is begun while fewer than ``PRESSURE`` calls are under way for each that a model takes at once, so that as many
wait as are answered: the model never waits for a prompt that is between two calls, and prompts that are begun are finished
before more are. ``WINDOW`` prompts per call are the most, whatever they wait for."""
LOOK = 0.02
"""Seconds until it is looked again whether there is room, where no prompt ends in between."""
FEWEST = 4
LOOK_BACK = 1000
"""Finished prompts looked up at once on resume."""
RETRIED = (
    "server_error",
    "overloaded",
    "timeout",
    "connection",
    "malformed_reply",
    "batch_expired",
    Reason.PLUGIN_FAILED,
)
"""Failures that the next session tries again. A refused request would only be refused again."""

Tracer = Callable[[Prompt], Awaitable[Trace]]
"""Makes the trace of one prompt: here, or elsewhere."""
Reports = Callable[[RunState], None]


@dataclass(frozen=True, slots=True)
class Next:
    """A row as it was read, and what is known of it before anything is asked."""

    row: Prompt | RowFault
    done: Done | None = None
    """What an earlier session made of it, if that holds."""
    refusal: Reject | None = None
    """Why it is not asked about."""


@dataclass(frozen=True, slots=True)
class Done:
    """What an earlier session knows of a finished prompt."""

    state: str
    pairs: int
    reasons: list[str]
    failed: bool


async def run_prompts(
    config: RunConfig,
    folder: RunFolder,
    host: PluginHost,
    base: Path,
    *,
    stop: Stop | None = None,
    started: Reports | None = None,
) -> RunResult:
    """Make every prompt's trace, or find it in the ledger. The folder must be locked by the caller.
    ``started`` is given the state that changes as the run goes on."""
    stop = stop or Stop()
    failed: asyncio.Future[ConstitutionalError] = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()

    def on_failure(error: LedgerError) -> None:
        loop.call_soon_threadsafe(_settle, failed, error)

    ledger = Ledger(folder.ledger, on_failure)
    try:
        with LedgerView(folder.ledger) as view:
            meter = Meter.of_folder(view, config.max_calls, config.max_cost)
            assembly = assemble(config, host, base, recorded(ledger, meter, config, ledger))
            state = RunState(meter, assembly.models.throttles, _total(config, base), desks=assembly.models.desks)
            session = 1 + max(int(view.one(f"SELECT max(session) FROM {table}") or 0) for table in ("traces", "rows"))
            for name, value in metas(config, assembly).items():
                ledger.set_meta(name, value)
            if started is not None:
                started(state)
            pool = RayPool(config, base, assembly, ledger, meter) if config.engine == "ray" else None
            state.pool = pool
            driver = _Driver(config, assembly, ledger, view, host, state, stop, failed, session)
            info = RunInfo(config.model_dump(mode="json"), assembly.plan)
            host.observe("run_started", run=info, folder=folder.path)
            try:
                if pool is not None:
                    await pool.start()
                with batching() if assembly.models.desks else contextlib.nullcontext():
                    result = await driver.drive(read_prompts(config.prompts or "-", base))
            finally:
                if pool is not None:
                    await pool.aclose()
                await assembly.models.aclose()
            host.observe("run_finished", run=info, result=result)
            return result
    finally:
        ledger.close()


def metas(config: RunConfig, assembly: Assembly) -> dict[str, str]:
    """What the ledger holds of a run besides its rows."""
    return {
        "config": json.dumps(config.model_dump(mode="json"), sort_keys=True),
        "plan": assembly.plan,
        "answers": answers_key(config, assembly.models),
        "constitution": to_json(assembly.constitution),
        "templates": json.dumps(assembly.templates, sort_keys=True),
        "template_texts": json.dumps(assembly.template_texts, sort_keys=True),
        "models": json.dumps(assembly.known_models, sort_keys=True),
        "judge_card": assembly.card.dump() if assembly.card else "",
    }


class _Driver:
    def __init__(
        self,
        config: RunConfig,
        assembly: Assembly,
        ledger: Ledger,
        view: LedgerView,
        host: PluginHost,
        state: RunState,
        stop: Stop,
        failed: asyncio.Future[ConstitutionalError],
        session: int,
    ) -> None:
        self._config = config
        self._assembly = assembly
        self._gate = Gate(assembly.gate)
        self._ledger = ledger
        self._view = view
        self._host = host
        self._state = state
        self._stop = stop
        self._failed = failed
        self._session = session
        self._trace_prompt: Tracer = functools.partial(trace_prompt, cast=assembly.cast)
        if state.pool is not None:
            self._trace_prompt = state.pool.trace
        self._observed = host.observers("trace_finished")
        self._tasks: set[asyncio.Task[None]] = set()
        self._finished = asyncio.Event()
        self._why: str | None = None
        self._status = "complete"

    async def drive(self, rows: Generator[Prompt | RowFault, None, None]) -> RunResult:
        watcher = asyncio.create_task(self._watch())
        self._ledger.set_meta("status", "running")
        try:
            await self._admit(rows)
            while self._tasks:
                await asyncio.wait(self._tasks)
            if self._stop.now.is_set():
                self._ledger.abandon()
            await self._ledger.landed()
        finally:
            watcher.cancel()
            for task in self._tasks:
                task.cancel()
            rows.close()
        return await self._result()

    async def _admit(self, rows: Iterator[Prompt | RowFault]) -> None:
        """Keep as many prompts in work as the models can use, until there are no more or there is a reason to stop."""
        window = max(FEWEST, self._config.concurrency * WINDOW)
        if self._state.pool is not None:
            window = max(FEWEST, self._config.concurrency * IN_WORK) * self._config.ray.replicas
        if self._assembly.models.desks:
            window = max(window, self._config.batch.prompts)
        position = itertools.count()
        prompts = 0
        while batch := await asyncio.to_thread(self._next_batch, rows):
            for each in batch:
                at, row = next(position), each.row
                if isinstance(row, RowFault):
                    self._bad_row(row, at)
                    continue
                prompts += 1
                if self._config.limit is not None and prompts > self._config.limit:
                    return
                if each.done is not None:
                    self._keep(row, each.done, at)
                    continue
                if each.refusal is not None:
                    self._finish(Trace(row, rejects=(each.refusal,)), at, each.refusal)
                    continue
                while not self._room(window) and self._why is None:
                    self._finished.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._finished.wait(), LOOK)
                if self._why is not None:
                    return
                self._begin(row, at)
                await asyncio.sleep(0)  # it asks its first questions, and they count

    def _room(self, window: int) -> bool:
        """Whether one more prompt may be begun. Replicas and batches take as many as the window holds."""
        if len(self._tasks) >= window:
            return False
        if len(self._tasks) < FEWEST or self._state.pool is not None or self._assembly.models.desks:
            return True
        places = sum(int(throttle.limit) for throttle in self._assembly.models.throttles.values())
        return self._ledger.in_flight < PRESSURE * places

    def _next_batch(self, rows: Iterator[Prompt | RowFault]) -> list[Next]:
        """Read some rows and look up which are finished already: in a thread, the event loop goes on meanwhile."""
        batch = list(itertools.islice(rows, LOOK_BACK))
        known = self._known([row.id for row in batch if isinstance(row, Prompt)])
        return [self._looked_at(row, known) for row in batch]

    def _looked_at(self, row: Prompt | RowFault, known: dict[str, Done]) -> Next:
        if isinstance(row, RowFault):
            return Next(row)
        refusal, done = self._gate.refusal(row), known.get(row.id)
        if done is not None:
            again = done.failed and any(reason in RETRIED for reason in done.reasons)
            if again or done.state != self._name(row, refusal):
                done = None
        return Next(row, done, refusal)

    def _name(self, prompt: Prompt, refusal: Reject | None = None) -> str:
        return state_of(self._assembly.state(prompt.id, prompt.messages, prompt.tags), refusal)

    def _known(self, ids: list[str]) -> dict[str, Done]:
        if self._session == 1:
            return {}
        marks = ",".join("?" * len(ids))
        rows = self._view.rows(
            "SELECT t.prompt_id, t.state, t.pairs, t.status,"
            " (SELECT group_concat(reason) FROM rejects r WHERE r.prompt_id = t.prompt_id)"
            f" FROM traces t WHERE t.prompt_id IN ({marks})",
            *ids,
        )
        return {
            prompt_id: Done(state, pairs, reasons.split(",") if reasons else [], status == "failed")
            for prompt_id, state, pairs, status, reasons in rows
        }

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
            _settle(self._failed, error)
            return
        self._finish(trace, position)

    def _finish(self, trace: Trace, position: int, refusal: Reject | None = None) -> None:
        prompt, state = trace.prompt, self._name(trace.prompt, refusal)
        try:
            row = TraceRow.of(trace, state, self._session, position)
        except (TypeError, ValueError) as error:
            trace = not_storable(prompt, error)
            row = TraceRow.of(trace, state, self._session, position)
        try:
            self._ledger.write(row)
        except LedgerError as error:
            _settle(self._failed, error)
        else:
            self._count(trace)

    def _count(self, trace: Trace) -> None:
        self._state.traced(trace)
        if self._observed:
            self._host.observe("trace_finished", trace=trace)
        self._check_failures()

    def _check_failures(self) -> None:
        if self._state.failing(self._config.max_failure_rate, finished=False):
            self._end(_too_many(self._state, self._config), "too-many-failures")

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._finished.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            fault = (
                error if isinstance(error, ConstitutionalError) else ConstitutionalError(f"internal error: {error!r}")
            )
            _settle(self._failed, fault)

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
            status, message = "too-many-failures", _too_many(state, self._config)
        self._ledger.set_meta("status", status)
        self._ledger.set_meta("session", str(self._session))
        await self._ledger.flush()
        return RunResult(
            status,
            state.prompts,
            state.pairs,
            dict(sorted(state.rejects.items())),
            state.failures,
            state.meter.calls_made,
            state.meter.calls_reused,
            message,
        )


def _total(config: RunConfig, base: Path) -> int | None:
    count = count_prompts(config.prompts or "-", base)
    return count if count is None or config.limit is None else min(count, config.limit)


def _too_many(state: RunState, config: RunConfig) -> str:
    reasons = ", ".join(f"{reason} {count}" for reason, count in state.rejects.most_common() if count)
    return (
        f"{state.failures} of {state.seen} prompts failed, more than --max-failure-rate {config.max_failure_rate:g} "
        f"({reasons})"
    )


def _settle(future: asyncio.Future[ConstitutionalError], error: ConstitutionalError) -> None:
    if not future.done():
        future.set_result(error)
