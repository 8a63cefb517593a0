"""``constitutional principles stats``"""

from __future__ import annotations

import json
from pathlib import Path

import click

from constitutional.core.analysis import principle_stats
from constitutional.pipeline.opened import open_run
from constitutional.principles.stats import as_json as entry_json
from constitutional.principles.stats import overruling, table


@click.command("stats")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(run: Path, as_json: bool) -> None:
    """What each principle did in a run, and what the run would be without it; no model is asked.

    worth is (agreement - 1/2) x relevance x 2 with the final ruling as the truth; flips, vanish and appear count the
    rulings that would change side, go or come if the principle were dropped.
    """
    with open_run(run) as opened:
        stats = principle_stats(opened.constitution, opened.traces())
    if as_json:
        click.echo(json.dumps([entry_json(entry) for entry in stats], indent=2))
        return
    click.echo(table(stats))
    for line in overruling(stats):
        click.echo(line)
