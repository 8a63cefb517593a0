"""``constitutional sample``"""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click


@click.command("sample")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--k", "-k", type=click.IntRange(min=1), default=50, show_default=True, help="How many pairs.")
@click.option(
    "--by",
    "how",
    type=click.Choice(["lowest-margin", "most-disagreement", "random", "stratified"]),
    default="stratified",
    show_default=True,
    help="Which: the least sure, the most disputed, any, or some of every confidence.",
)
@click.option("--out", type=click.Path(path_type=Path), help="A .csv or .jsonl file [RUN/sheet.jsonl].")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the draw and of the order.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(run: Path, k: int, how: str, out: Path | None, seed: int, as_json: bool) -> None:
    """Write pairs of RUN to a sheet, for people to label: blind, in an order drawn by lot.

    Filled in, it goes to `constitutional audit RUN --labels SHEET`. A sheet that somebody has begun to fill in is never
    written over.
    """
    from typing import cast

    from constitutional.audit.sample import How, sample
    from constitutional.audit.sheet import INSTRUCTIONS, write_sheet
    from constitutional.errors import UsageError
    from constitutional.pipeline.opened import open_run

    path = out or run / "sheet.jsonl"
    with open_run(run) as opened:
        constitution = opened.constitution
        pairs = sample(opened.traces(), constitution, k, cast("How", how), seed)
    if not pairs:
        raise UsageError(f"{run} compared no two different answers: there is nothing to label")
    principles = "".join(f"  {tier.id}: {principle.statement}\n" for tier, principle in constitution)
    then = shlex.join(["constitutional", "audit", str(run), "--labels", str(path)])
    how_to = INSTRUCTIONS.format(command=then)
    beside = write_sheet(path, pairs, f"{how_to}\nThe principles, the most important first:\n\n{principles}")
    if as_json:
        click.echo(
            json.dumps({"sheet": str(path), "instructions": str(beside), "pairs": len(pairs), "by": how}, indent=2)
        )
        return
    click.echo(f"{path}: {len(pairs):,} pairs, drawn by {how}" + (" (the run has no more)" if len(pairs) < k else ""))
    click.echo(f"{beside}: how to label them")
    click.echo(f"then: {then}")
