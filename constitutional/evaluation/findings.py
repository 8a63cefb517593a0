"""Traces to an evaluation: measures, comparisons, rating, gate, and what it took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from constitutional.config.constitution import constitution_digest
from constitutional.config.run import PartConfig
from constitutional.evaluation.ask import Asked
from constitutional.evaluation.compare import PERPLEXITY, Difference, compared, judged, measured, win_rates
from constitutional.evaluation.contenders import BASE
from constitutional.evaluation.gate import judge_gate
from constitutional.evaluation.measures import about, games_of, measures_of, said_by
from constitutional.evaluation.rating import rating
from constitutional.evaluation.ready import Ready
from constitutional.evaluation.result import Evaluation, Measured
from constitutional.evaluation.weigh import Weighing
from constitutional.ledger import LedgerView


def evaluation_of(ready: Ready, weigher: Weighing, asked: Asked, view: LedgerView) -> Evaluation:
    constitution, settings, traces = weigher.assembly.constitution, ready.settings, asked.traces
    parts = {name: measures_of(said_by(name, traces), constitution, ready.tags) for name in ready.names}
    for name, surprised in asked.surprises.items():
        if surprised:
            parts[name][PERPLEXITY] = surprised
    games = games_of(traces)
    found: dict[str, dict[str, Measured]] = {}
    differences: list[Difference] = []
    for name in ready.names:
        taken = {measure: measured(measure, own) for measure, own in parts[name].items()}
        found[name] = {measure: value for measure, value in taken.items() if value is not None}
        if name != BASE:
            wins, own_differences = win_rates(name, BASE, games)
            found[name] |= wins
            differences += [*own_differences, *compared(name, BASE, parts[name], parts[BASE])]
    not_measured = ready.not_measured | _missing(found, bool(ready.passages))
    failures = Counter(reject.reason for trace in traces for reject in trace.rejects if reject.failure)
    failed = sum(trace.failed for trace in traces)
    names = sorted({measure for own in found.values() for measure in own})
    return Evaluation(
        constitution={
            "name": constitution.name,
            "version": constitution.version,
            "digest": constitution_digest(constitution),
        },
        judge=_role(settings.judge, weigher, "judge"),
        critic=_role(settings.critic, weigher, "critic"),
        prompts=len(ready.prompts),
        models=[{"name": one.name, "model": one.model, **_asked(one.identity)} for one in ready.contenders],
        measures=found,
        comparisons=judged(differences),
        rating=rating(ready.names, games),
        about={name: {"better": about(name).better, "words": about(name).words} for name in names},
        not_measured=not_measured,
        failures=dict(sorted(failures.items())),
        warnings=ready.warnings,
        usage=usage_of(view),
        gate=judge_gate(ready.gate, found, not_measured),
        status="too-many-failures" if failed > settings.max_failure_rate * len(traces) else "complete",
    )


def _missing(found: Mapping[str, Mapping[str, Measured]], text: bool) -> dict[str, str]:
    missing = {}
    mute = [name for name, own in found.items() if PERPLEXITY not in own]
    if text and mute:
        missing[PERPLEXITY] = (
            f"{', '.join(mute)} cannot score a text: only models that run in this process can, such as a model folder"
        )
    elif mute:
        missing[PERPLEXITY] = "no text was given: name one with --reference-text FILE"
    if all("violation_rate" not in own for own in found.values()):
        missing["violation_rate"] = "no principle applies to any prompt, or no critic's verdict could be read"
    if all("win_rate" not in own for own in found.values()):
        missing["win_rate"] = "no comparison could be read"
    return missing


def _role(part: PartConfig, weigher: Weighing, role: str) -> dict[str, Any]:
    """Which plugin, and which model it asks."""
    if not weigher.assembly.models.config.models:
        return {"plugin": part.plugin, "model": None, "revision": None}
    known = weigher.assembly.known_models[role]
    return {"plugin": part.plugin, "model": known["model"], "revision": known["revision"]}


def _asked(identity: Mapping[str, Any]) -> dict[str, Any]:
    temperature, top_p, max_tokens, _ = identity["sampling"]
    sampling = {"temperature": temperature, "top_p": top_p, "max_tokens": max_tokens}
    return {"revision": identity["model"].get("revision"), "sampling": sampling}


def usage_of(view: LedgerView) -> dict[str, Any]:
    """What the folder's ledger holds: the same however often it was resumed."""
    columns = ("calls", "prompt_tokens", "completion_tokens", "cached_tokens", "cost")
    rows = view.rows(
        "SELECT role, model, count(*), sum(prompt_tokens), sum(completion_tokens), sum(cached_tokens), sum(cost)"
        " FROM calls GROUP BY role, model ORDER BY role, model"
    )
    by_role = [
        {"role": role, "model": model, **dict(zip(columns, values, strict=True))} for role, model, *values in rows
    ]
    total = {column: sum(row[column] for row in by_role) for column in columns}
    return {**total, "by_role": by_role}
