"""``constitutional demo``"""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("demo")
@click.option("--out", default="runs/pocket", show_default=True, metavar="DIR", type=click.Path(path_type=Path),
              help="Where everything goes. The same command again goes on.")  # fmt: skip
@click.option("--loss", type=click.Choice(["dpo", "ipo", "hybrid"]), default="dpo", show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of everything random.")
@click.option("--fast", is_flag=True, help="A quarter of the prompts: a smaller effect, in a minute or two.")
@click.option("--from-scratch", is_flag=True, help="Train the base model too, with this seed, into the user's cache.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and all else on stderr.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def command(out: Path, loss: str, seed: int, fast: bool, from_scratch: bool, as_json: bool, quiet: bool) -> int:
    """The whole loop on a tiny model of its own, in minutes: no GPU, no key, no network.

    generate → audit the judge → train → evaluate on held-out prompts. Each step is a command of its own and is shown as it
    is run; Ctrl-C stops at any of them, and the same command again goes on from there.
    """
    from constitutional.cli.demo.plan import Plan
    from constitutional.cli.demo.steps import locked, run
    from constitutional.cli.demo.table import lines, results

    plan = Plan(out, loss, seed, fast, from_scratch)
    with locked(plan):
        code = run(plan, as_json=as_json, quiet=quiet)
    if code:
        return code
    found = results(plan)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        click.echo("\n" + "\n".join(lines(plan, found)))
    return 0
