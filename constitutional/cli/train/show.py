"""What is said of a training: its plan before it begins, and what came of it."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from constitutional.training.ready import Ready
    from constitutional.training.run import TrainResult
    from constitutional.training.settings import TrainSettings

SHOWN = (("loss", "held-out loss"), ("rewards/accuracies", "held-out accuracy"), ("reward", "held-out reward"))


def show_plan(settings: TrainSettings, as_json: bool) -> int:
    from constitutional.models.local.away import loading
    from constitutional.training.estimate import command_of, estimate
    from constitutional.training.ready import begin

    with loading():
        _, ready = begin(settings)
        plans = [asdict(plan) for plan in estimate(ready)]
    command = command_of(ready)
    if as_json:
        shown = {"plan": ready.plan, "notes": ready.notes, "stages": plans, "command": command}
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return 0
    _show_data(ready)
    for plan in plans:
        _reasons(plan["dropped"])
        click.echo(
            f"stage {plan['stage']}: {plan['rows']:,} rows, {plan['held_out']:,} held out, {plan['steps']:,} steps, "
            f"{plan['tokens']:,} tokens a pass, longest row {plan['longest']:,}; about {plan['memory_gib']:.1f} GiB of "
            f"memory, {plan['checkpoint_gib']:.1f} GiB a checkpoint"
        )
    if command is not None:
        click.echo(f"launch: {shlex.join(command)}")
    return 0


def _show_data(ready: Ready) -> None:
    chosen = ready.settings
    click.echo(f"{chosen.model} on {ready.data.about.name}: {', '.join(chosen.stages)}")
    if chosen.main == "dpo":
        beta = "found by a sweep" if chosen.sweep else f"{chosen.beta:g}"
        click.echo(f"loss {chosen.loss}, beta {beta}, labels {chosen.labels}, lr {chosen.lr:g}")
    elif chosen.main == "reward":
        click.echo(f"labels {chosen.labels}, lr {chosen.lr:g}")
    elif chosen.main != "sft":
        click.echo(f"{chosen.generations} answers a prompt, beta {chosen.beta:g}, lr {chosen.lr:g}")
    for part in ready.data.parts.values():
        _reasons(part.dropped)
        for note in part.notes:
            click.echo(f"  {note}")
    for note in ready.notes:
        click.echo(f"  {note}")


def _reasons(dropped: dict[str, int]) -> None:
    for reason, count in sorted(dropped.items(), key=lambda item: -item[1]):
        click.echo(f"  not trained on: {reason:<22} {count:,}")


def show_result(result: TrainResult, as_json: bool) -> None:
    if as_json:
        shown = {"status": result.status, "out": str(result.out)} | result.record
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    if result.status == "interrupted":
        click.echo(f"{result.out}: interrupted; run the same command again to go on")
        return
    if result.status == "done":
        click.echo(f"{result.out}: done already; --fresh trains again in a new folder")
    for part in result.record["rows"].values():
        _reasons(part["dropped"])
    for note in result.record["notes"]:
        click.echo(f"  {note}")
    for stage in result.record["stages"]:
        _show_stage(stage)
    click.echo(f"model: {result.out}")


def _show_stage(stage: dict[str, Any]) -> None:
    _reasons(stage["dropped"])
    words = [f"{stage['stage']}: {stage['steps']:,} steps, {stage['rows']:,} rows"]
    for name, shown in SHOWN:
        if name in stage["after"] and not (name == "loss" and "reward" in stage["after"]):  # no loss that could fall
            before = f"{stage['before'][name]:.3f} → " if name in stage["before"] else ""
            words.append(f"{shown} {before}{stage['after'][name]:.3f}")
    click.echo(", ".join(words))
    for note in [*stage["notes"], *([f"ended early: {stage['stopped']}"] if stage["stopped"] else [])]:
        click.echo(f"  {note}")
    for table in stage["tables"]:
        _show_table(table)


def _show_table(table: dict[str, Any]) -> None:
    """Narrow: what a guard watches is said by the card and the documentation."""
    kept = [at for at, name in enumerate(table["head"]) if name != "watches"]
    lines = [[row[at] for at in kept] for row in (table["head"], *table["rows"])]
    widths = [max(len(line[at]) for line in lines) for at in range(len(kept))]
    click.echo(f"  {table['title'].replace('`', '')}")
    for line in lines:
        click.echo("    " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
