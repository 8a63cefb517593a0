"""The order of things: everything that can be wrong is checked, each model answers, critic and judge look at the answers,
and the measures are written. The same command again asks nothing twice, and finds the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence

from constitutional.core.codec import to_json
from constitutional.core.constitution import Constitution
from constitutional.core.digest import digest
from constitutional.core.records import Trace
from constitutional.errors import LedgerError
from constitutional.evaluation.ask import ask_all
from constitutional.evaluation.effect import write_cards
from constitutional.evaluation.findings import evaluation_of
from constitutional.evaluation.ready import Ready, prepare
from constitutional.evaluation.result import Evaluation
from constitutional.evaluation.settings import EvaluateSettings
from constitutional.evaluation.weigh import Weighing
from constitutional.ledger import Ledger, LedgerView, RunFolder, TraceRow
from constitutional.loops import run_to_end
from constitutional.models.meter import Meter
from constitutional.pipeline.bind import recorded
from constitutional.pipeline.progress import Progress
from constitutional.plugins import PluginHost
from constitutional.saying import Say, silent

Started = Callable[[Progress], None]


def evaluate(settings: EvaluateSettings, say: Say = silent, *, cards: bool = True) -> Evaluation:
    """Answers, verdicts and measures of all models; ``settings.out`` then holds ``run.db`` and ``evaluation.json``, and the
    cards of trained models their effect, unless ``cards`` is false. ``say`` gets lines for people."""
    found = run_to_end(evaluate_with(settings, PluginHost(), say=say))
    for path in write_cards(found, settings, say) if cards else ():
        say(f"card: {path}")
    return found


async def evaluate_with(
    settings: EvaluateSettings,
    host: PluginHost,
    *,
    constitution: Constitution | None = None,
    started: Started | None = None,
    say: Say = silent,
) -> Evaluation:
    """``constitution`` is one that was read before; ``started`` is given the state that changes as it goes on."""
    ready = prepare(settings, host, constitution)
    for warning in ready.warnings:
        say(f"warning: {warning}")
    folder = RunFolder(settings.where / settings.out)
    folder = folder.fresh() if settings.fresh else folder
    folder.create()
    with folder.lock():
        ledger = Ledger(folder.ledger)
        try:
            with LedgerView(ledger.path) as view:
                meter = Meter.of_folder(view, settings.max_calls, settings.max_cost)
            progress = Progress(meter, say=say)
            if started is not None:
                started(progress)
            weigher = ready.weigher(recorded(ledger, meter, ready.roles))
            _keep_meta(ledger, ready, weigher)
            try:
                asked = await ask_all(ready, weigher, lambda config: recorded(ledger, meter, config), progress)
            finally:
                await ledger.landed()
                await weigher.assembly.models.aclose()
            _keep_traces(ledger, ready, weigher, asked.traces)
            await ledger.flush()
            with LedgerView(ledger.path) as view:
                found = await asyncio.to_thread(evaluation_of, ready, weigher, asked, view)
            found.write(folder.path)
            return found
        finally:
            ledger.close()


def _keep_meta(ledger: Ledger, ready: Ready, weigher: Weighing) -> None:
    """What commands that look at a run want to know of it."""
    roles = weigher.assembly
    models = {**ready.roles.models, **{one.name: one.entry for one in ready.contenders}}
    config = ready.roles.model_copy(update={"models": models})
    ledger.set_meta("kind", "evaluation")
    ledger.set_meta("config", json.dumps(config.model_dump(mode="json"), sort_keys=True))
    ledger.set_meta("plan", _plan(ready, weigher))
    ledger.set_meta("constitution", to_json(roles.constitution))
    ledger.set_meta("templates", json.dumps(roles.templates, sort_keys=True))
    ledger.set_meta("template_texts", json.dumps(roles.template_texts, sort_keys=True))


def _plan(ready: Ready, weigher: Weighing) -> str:
    return digest([weigher.assembly.plan, [[one.name, dict(one.identity)] for one in ready.contenders]])


def _keep_traces(ledger: Ledger, ready: Ready, weigher: Weighing, traces: Sequence[Trace]) -> None:
    plan = _plan(ready, weigher)
    for position, trace in enumerate(traces):
        prompt = trace.prompt
        state = f"{plan}:{digest([prompt.id, prompt.messages, prompt.tags])}"
        try:
            ledger.write(TraceRow.of(trace, state, 1, position))
        except (TypeError, ValueError) as error:
            raise LedgerError(f"a plugin's record of {prompt.source or prompt.id} cannot be stored: {error}") from error
