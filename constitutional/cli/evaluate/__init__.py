"""``constitutional evaluate``"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from constitutional.cli.evaluate.source import Source
    from constitutional.evaluation.result import Evaluation
    from constitutional.plugins import PluginHost


@click.command("evaluate")
@click.argument("run", required=False, type=click.Path(path_type=Path, exists=True), metavar="[RUN|RUN.yaml]")
@click.option("--base", metavar="MODEL", help="The model before: PROVIDER:NAME or a model folder [the run's policy].")
@click.option("--tuned", metavar="MODEL", help="The model after: PROVIDER:NAME or a model folder, LoRA adapters too.")
@click.option("--more", multiple=True, metavar="[NAME=]MODEL", help="A further model; several may be given.")
@click.option("--prompts", metavar="FILE|HUB_ID|-", help="Held-out prompts, with tags such as benign and harmful.")
@click.option("--constitution", metavar="NAME|FILE", help="A shipped constitution or a YAML file [base].")
@click.option("--judge", metavar="PROVIDER:NAME|PLUGIN", help="Says which of two answers is better.")
@click.option("--critic", metavar="PROVIDER:NAME|PLUGIN", help="Says what violates a principle [asks as the judge].")
@click.option("--model", metavar="PROVIDER:NAME", help="The model that critic and judge ask, where they name none.")
@click.option(
    "--scorer", multiple=True, metavar="PLUGIN|YAML", help="A scorer, each a measure; YAML: {plugin: …, options: …}."
)
@click.option("--responses", type=int, metavar="N", help="Answers per prompt and model [1].")
@click.option("--temperature", type=float, help="Of the models that answer [1].")
@click.option("--max-tokens", type=int, help="Longest answer, in tokens [1024].")
@click.option("--system", metavar="TEXT", help="A system message put before every dialogue that has none.")
@click.option("--benign", multiple=True, metavar="TAG", help="Tag of prompts that should be answered.")
@click.option("--harmful", multiple=True, metavar="TAG", help="Tag of prompts that may be refused.")
@click.option("--reference-text", metavar="FILE", help="Text whose perplexity is measured, of model folders.")
@click.option(
    "--gate", metavar="CONDITIONS", help="As violation_rate<0.05,win_rate.low>0.5: exit code 1 where one does not hold."
)
@click.option("--limit", type=int, metavar="N", help="Use the first N prompts.")
@click.option("--seed", type=int, help="Seed of the answers [0].")
@click.option("--base-url", metavar="URL", help="Address of the server, for models that are named here.")
@click.option("--price", metavar="IN,OUT", help="Money per million tokens, for models that are named here.")
@click.option("--concurrency", type=int, metavar="N", help="Most calls in flight.")
@click.option("--max-calls", type=int, metavar="N", help="Stop, keeping everything, after N calls.")
@click.option("--max-cost", type=float, metavar="X", help="Stop, keeping everything, at this much money.")
@click.option(
    "--max-failure-rate", type=float, metavar="F", help="Exit code 3 where more prompts than this fail [0.1]."
)
@click.option(
    "--out", metavar="DIR", help="Folder of run.db and evaluation.json [evaluation; of a run: RUN-evaluation]."
)
@click.option("--fresh", is_flag=True, default=None, help="A new folder where that one holds replies.")
@click.option(
    "--suggest-baseline",
    is_flag=True,
    help="Print the commands that add SFT on the judge's own answers; call no model.",
)
@click.option("--no-card", is_flag=True, help="Leave the cards of the trained models as they are.")
@click.option("--dry-run", is_flag=True, help="Print how many calls it would make, and their cost; call no model.")
@click.option("--json", "as_json", is_flag=True, help="Print evaluation.json.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def command(
    run: Path | None, suggest_baseline: bool, no_card: bool, dry_run: bool, as_json: bool, quiet: bool, **flags: Any
) -> int:
    """Compare models on held-out prompts: did it work, and what did it cost?

    Every model answers every prompt, with the same seeds. The critic says which answers violate a principle, the judge
    which of two is better, in both orders. With RUN, a run folder, constitution, roles and models are that run's; with
    RUN.yaml they are those of a run to come. The same command again asks nothing twice, however it ended. The card of a
    model folder that `constitutional train` made gets what was found, as its section Effect.
    """
    from constitutional.cli.evaluate.source import resolve
    from constitutional.errors import EXIT_FAILURE, EXIT_INTERRUPTED, EXIT_TOO_MANY_FAILURES
    from constitutional.plugins import PluginHost

    source, host = resolve(run, flags), PluginHost()
    if suggest_baseline:
        from constitutional.cli.evaluate.baseline import commands

        click.echo("\n".join(commands(source.settings)))
        return 0
    if dry_run:
        _plan(source, host, as_json)
        return 0
    found = _evaluated(source, host, quiet)
    if found is None:
        return EXIT_INTERRUPTED
    _show(found, source, as_json)
    if not no_card:
        _write_cards(found, source)
    if found.status != "complete":
        return EXIT_TOO_MANY_FAILURES
    return 0 if found.passed else EXIT_FAILURE


def _evaluated(source: Source, host: PluginHost, quiet: bool) -> Evaluation | None:
    """None where it was interrupted."""
    from constitutional.core.plain import one_line
    from constitutional.errors import RunStoppedError
    from constitutional.pipeline.progress import INTERRUPTED

    try:
        with redirect_stdout(sys.stderr):  # what a plugin prints is no part of the result
            return asyncio.run(_run(source, host, quiet))
    except RunStoppedError as stopped:
        if str(stopped) == INTERRUPTED:
            click.echo("interrupted: the same command goes on from here", err=True)
            return None
        raise type(stopped)(one_line(str(stopped))) from stopped


def _write_cards(found: Evaluation, source: Source) -> None:
    from constitutional.evaluation.effect import write_cards
    from constitutional.saying import say

    for path in write_cards(found, source.settings, say):
        click.echo(f"card: {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}", err=True)


async def _run(source: Source, host: PluginHost, quiet: bool) -> Evaluation:
    from constitutional.cli.ticker import Ticker
    from constitutional.errors import RunStoppedError
    from constitutional.evaluation.run import evaluate_with
    from constitutional.pipeline.progress import INTERRUPTED

    async with Ticker(quiet=quiet) as ticker:
        found = await evaluate_with(source.settings, host, constitution=source.constitution, started=ticker.begin)
    if ticker.interrupted:
        raise RunStoppedError(INTERRUPTED)  # while it was measuring: whoever called must not go on
    return found


def _plan(source: Source, host: PluginHost, as_json: bool) -> None:
    from constitutional.evaluation.plan import plan

    made = asyncio.run(plan(source.settings, host, source.constitution))
    if as_json:
        click.echo(json.dumps(made, indent=2))
        return
    click.echo(f"{made['prompts']:,} prompts, {len(made['models'])} models: {', '.join(made['models'])}")
    for role in made["by_role"]:
        click.echo(f"  {role['role']:<8} {role['calls']:>8,} calls, and {role['known']:,} that the ledger holds")
    click.echo(
        f"{made['calls']:,} calls, about {made['prompt_tokens']:,} tokens in and {made['completion_tokens']:,} out, "
        f"cost {made['cost']:.4g}"
    )


def _show(found: Evaluation, source: Source, as_json: bool) -> None:
    from constitutional.cli.evaluate.table import table, warnings

    for line in warnings(found):
        click.echo(line, err=True)
    if as_json:
        click.echo(found.to_json(), nl=False)
        return
    for line in table(found):
        click.echo(line)
    usage = found.usage
    cost = f", cost {usage['cost']:.4g}" if usage["cost"] else ""
    path = Path(source.settings.out) / "evaluation.json"
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    click.echo(f"\n{usage['calls']:,} calls in the ledger{cost}\n{shown}")
