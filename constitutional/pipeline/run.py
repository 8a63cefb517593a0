"""A run: everything that it needs is opened, its prompts are driven through, and everything is closed again."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path

from constitutional.config.run import RunConfig
from constitutional.core.codec import to_json
from constitutional.errors import ConstitutionalError, LedgerError
from constitutional.ledger import Ledger, LedgerView, RunFolder
from constitutional.models.groups import batching
from constitutional.models.meter import Meter
from constitutional.pipeline.bind import recorded
from constitutional.pipeline.driver import Driver, settle
from constitutional.pipeline.prompts import count_prompts, read_prompts
from constitutional.pipeline.ray.pool import RayPool
from constitutional.pipeline.resume import Ahead
from constitutional.pipeline.setup import Assembly, answers_key, assemble
from constitutional.pipeline.state import RunState
from constitutional.pipeline.stop import Stop
from constitutional.plugins import PluginHost
from constitutional.roles import RunInfo, RunResult

Reports = Callable[[RunState], None]


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
        loop.call_soon_threadsafe(settle, failed, error)

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
            ahead = Ahead(read_prompts(config.prompts or "-", base, config.limit), assembly, view, first=session == 1)
            driver = Driver(config, assembly, ledger, host, state, stop, failed, session)
            info = RunInfo(config.model_dump(mode="json"), assembly.plan)
            host.observe("run_started", run=info, folder=folder.path)
            try:
                if pool is not None:
                    await stop.or_work(pool.start())
                with batching() if assembly.models.desks else contextlib.nullcontext():
                    result = await driver.drive(ahead)
            except ConstitutionalError as error:
                host.observe("run_finished", run=info, result=state.result("failed", str(error)))
                raise
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


def _total(config: RunConfig, base: Path) -> int | None:
    count = count_prompts(config.prompts or "-", base)
    return count if count is None or config.limit is None else min(count, config.limit)
