"""Resuming: what changed since the folder's last session, whether that is allowed, and how much is reused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from constitutional.config.run import RunConfig
from constitutional.core.codec import from_json
from constitutional.core.constitution import Constitution
from constitutional.core.enforcement import in_force
from constitutional.core.plain import one_line
from constitutional.errors import UsageError
from constitutional.ledger import LedgerView, RunFolder, create_or_check
from constitutional.pipeline.constitution import read_constitution
from constitutional.pipeline.estimate import Estimate, estimate
from constitutional.pipeline.models import Models
from constitutional.pipeline.setup import answers_key
from constitutional.plugins import PluginHost
from constitutional.principles.difference import difference

MOST = 5
"""Changes of a constitution that are told one by one."""
SHOWN = 200
"""Characters of each."""
UNIMPORTANT = {
    "prompts", "limit", "concurrency", "max_cost", "max_calls", "max_failure_rate", "out", "test_fraction",
    "split.similarity", "split.exact", "split.tags", "engine",
}  # fmt: skip
UNIMPORTANT_OF_MODELS = {"base_url", "api_key_env", "timeout", "concurrency", "prices", "license", "batch"}
SOURCES = ("models.policy.", "system", "seed")
"""A change of these changes the answers themselves, and with them everything that was derived from them."""


def check_resume(
    config: RunConfig, base: Path, folder: RunFolder, host: PluginHost, *, accept: bool, quiet: bool
) -> None:
    """Say what changed. A change that leaves no answer as it was needs ``--accept-changes`` or ``--fresh``."""
    create_or_check(folder.ledger)
    with LedgerView(folder.ledger) as view:
        if view.meta("merged") is not None:
            raise UsageError(
                f"{folder.path} was merged of several runs: go on with one of these and merge them again, or choose another "
                "--out folder"
            )
        saved, answers, principles = view.meta("config"), view.meta("answers"), view.meta("constitution")
        calls = view.one("SELECT count(*) FROM calls")
    if saved is None or calls == 0:
        return
    changed = changes(json.loads(saved), config.model_dump(mode="json"))
    if answers is not None and answers != answers_key(config, Models(config, host, base)) and not accept:
        sources = [line for key, line in changed.items() if key.startswith(SOURCES)]
        raise UsageError(
            f"{folder.path} holds a run with other answers; changed since:\n"
            + "\n".join(f"  {line}" for line in sources or ["the content of the policy model"])
            + "\nadd --fresh to start over in a new folder, or --accept-changes to go on in this one "
            "(calls that are still the same are reused)"
        )
    if quiet:
        return
    said = [*changed.values(), *([] if principles is None else reworded(principles, config, base, host))]
    if not said:
        return
    said = [f"changed since the last session: {line}" for line in said]
    if config.prompts != "-":
        said.append(reuse(estimate(config, host, base, folder.ledger), calls))
    for line in said:
        click.echo(line, err=True)


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, str]:
    """Key → ``key: old → new``, for every key whose change means other calls or other pairs."""
    old, new = dict(_flat(before)), dict(_flat(after))
    found = {}
    for key in sorted({*old, *new}):
        if (
            old.get(key) == new.get(key)
            or key in UNIMPORTANT
            or key.startswith(("split.tags.", "watch.", "ray.", "batch."))
        ):
            continue
        if key.startswith("models.") and any(f".{part}" in key for part in UNIMPORTANT_OF_MODELS):
            continue
        found[key] = f"{key}: {_shown(old.get(key))} → {_shown(new.get(key))}"
    return found


def reworded(saved: str, config: RunConfig, base: Path, host: PluginHost) -> list[str]:
    """What the constitution says otherwise than in the last session, whatever its file is called."""
    before, after = from_json(Constitution, saved), in_force(read_constitution(config.constitution, base, host))
    lines = [one_line(f"constitution: {change}", SHOWN) for change in difference(before, after)]
    more = len(lines) - MOST
    return [*lines[:MOST], f"constitution: and {more:,} more: constitutional principles diff"] if more > 0 else lines


def reuse(plan: Estimate, calls: int) -> str:
    """How much of what the run will ask is in the ledger already."""
    known = plan.total(plan.low, "known")
    return f"the ledger holds {calls:,} calls; at least {known:,.0f} of what this run asks is among them"


def _flat(value: Any, at: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        return [item for key, inner in value.items() for item in _flat(inner, f"{at}.{key}" if at else str(key))]
    return [(at, value)]


def _shown(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "…"
