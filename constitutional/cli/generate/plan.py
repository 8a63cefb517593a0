"""``--dry-run``: what the run would do, and what it would cost."""

from __future__ import annotations

import json
from pathlib import Path

import click

from constitutional.cli.generate.out import shown_batch
from constitutional.config.run import ROLES, RunConfig
from constitutional.ledger import open_batches
from constitutional.pipeline.constitution import read_constitution
from constitutional.pipeline.counting import Load
from constitutional.pipeline.estimate import BatchPlan, Estimate, StrategyPlan, estimate
from constitutional.pipeline.models import model_config
from constitutional.pipeline.setup import rounds_of
from constitutional.plugins import PluginHost


def show_plan(config: RunConfig, host: PluginHost, base: Path, ledger: Path | None, as_json: bool) -> None:
    made = estimate(config, host, base, ledger)
    if as_json:
        click.echo(json.dumps(_as_json(made), indent=2))
        return
    constitution = read_constitution(config.constitution, base, host)
    prompts = "an unknown number of" if made.prompts is None else f"{made.prompts:,}"
    click.echo(f"prompts       {prompts} from {config.prompts}; estimated from the first {made.sampled}")
    click.echo(f"constitution  {constitution.name} {constitution.version}")
    for tier in constitution.tiers:
        click.echo(f"  {tier.id} ({tier.force}): {', '.join(principle.id for principle in tier.principles)}")
    click.echo(
        f"strategy      {config.strategy.plugin}, {config.responses} responses, {rounds_of(config, constitution)} rounds"
    )
    click.echo(f"  {_asks(made.strategy)}")
    if made.batches is not None:
        click.echo(f"batches       {_waits(made.batches, made.prompts, config.batch.max_wait)}")
    for batch in open_batches(ledger) if ledger is not None else ():
        click.echo(f"  out at {shown_batch(batch)}")
    click.echo(f"out           {config.out}")
    click.echo("")
    head = ("role", "model", "calls", "in the ledger", "prompt tokens", "completion", "cost")
    widths = (9, 30, 19, 14, 19, 19, 15)
    _line(head, widths)
    for role in ROLES:
        low, high = made.low.get(role, Load()), made.high.get(role, Load())
        if low.calls or high.calls or low.known:
            by_batches = " (batch)" if model_config(config, role).batch else ""
            _line((role, made.models[role] + by_batches, *_cells(low, high, made.scale, priced(config, role))), widths)
    everything = [priced(config, role) for role in ROLES]
    _line(("total", "", *_cells(_sum(made.low), _sum(made.high), made.scale, all(everything))), widths)
    click.echo(
        "\nlow: nothing violates a principle; high: every answer violates every one, in every round; in both the strategy "
        "asks all that it may"
    )


def _asks(plan: StrategyPlan) -> str:
    def between(low: int, high: int, what: str) -> str:
        many = f"{low}" if low == high else f"{low}–{high}"
        return f"{many} {what}{'' if many == '1' else 's'}"

    asked = (
        between(plan.low.scores, plan.high.scores, "score")
        + " and "
        + between(plan.low.comparisons, plan.high.comparisons, "comparison")
    )
    if plan.said:
        return f"per prompt up to {asked}, each under every principle that applies"
    return f"it does not say how much it asks; per prompt {asked} at the very most"


def _waits(plan: BatchPlan, prompts: int | None, hours: float | None) -> str:
    low, high = plan.of(prompts or 1)
    if not high:
        return "none: what would be asked by them is in the ledger"
    turns = f", {plan.at_once:,} prompts at a time" if (prompts or 1) > plan.at_once else ""
    each = f"minutes to {24 if hours is None else hours:g} hours each"
    many = f"{low:,}–{high:,}" if low != high else f"{low:,}"
    return f"{many} one after another{turns}, {each}"


def priced(config: RunConfig, role: str) -> bool:
    """A local model costs nothing; an API without a price costs nobody knows what."""
    entry = model_config(config, role)
    return entry.prices is not None or entry.name.partition(":")[0] not in ("openai", "anthropic")


def _cells(low: Load, high: Load, scale: float, has_price: bool) -> tuple[str, ...]:
    def between(first: float, second: float, form: str) -> str:
        a, b = (format(value * scale, form) for value in (first, second))
        return a if a == b else f"{a}–{b}"

    return (
        between(low.calls, high.calls, ",.0f"),
        between(low.known, high.known, ",.0f"),
        between(low.prompt_tokens, high.prompt_tokens, ",.0f"),
        between(low.completion_tokens, high.completion_tokens, ",.0f"),
        between(low.cost, high.cost, ".4g") if has_price else "no price given",
    )


def _sum(loads: dict[str, Load]) -> Load:
    total = Load()
    for load in loads.values():
        total.calls += load.calls
        total.known += load.known
        total.prompt_tokens += load.prompt_tokens
        total.completion_tokens += load.completion_tokens
        total.cost += load.cost
    return total


def _line(cells: tuple[str, ...], widths: tuple[int, ...]) -> None:
    click.echo(" ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


def _as_json(made: Estimate) -> dict[str, object]:
    def scaled(loads: dict[str, Load]) -> dict[str, dict[str, float]]:
        return {
            role: {
                "calls": round(load.calls * made.scale),
                "known": round(load.known * made.scale),
                "prompt_tokens": round(load.prompt_tokens * made.scale),
                "completion_tokens": round(load.completion_tokens * made.scale),
                "cost": load.cost * made.scale,
            }
            for role, load in loads.items()
        }

    return {
        "prompts": made.prompts,
        "sampled": made.sampled,
        "models": made.models,
        "strategy": {
            "says_what_it_asks": made.strategy.said,
            "low": made.strategy.low._asdict(),
            "high": made.strategy.high._asdict(),
        },
        "batches": None if made.batches is None else made.batches._asdict(),
        "low": scaled(made.low),
        "high": scaled(made.high),
    }
