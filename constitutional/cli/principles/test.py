"""``constitutional principles test``"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from xml.etree import ElementTree

import click

from constitutional.config.run import RunConfig
from constitutional.errors import UsageError
from constitutional.ledger import RunFolder
from constitutional.pipeline.examples import Outcome, accuracy, run_examples
from constitutional.plugins import PluginHost
from constitutional.whole import replacing, writing


@click.command("test")
@click.argument("name", metavar="NAME|FILE")
@click.option("--judge", required=True, metavar="PROVIDER:NAME", help="The model that checks and judges.")
@click.option("--base-url", metavar="URL", help="Address of its server.")
@click.option("--critic-plugin", default="llm", show_default=True, help="The critic plugin.")
@click.option("--judge-plugin", default="pairwise-logprob", show_default=True, help="The judge plugin.")
@click.option("--out", type=click.Path(path_type=Path), help="Where the ledger is kept [runs/test-NAME].")
@click.option("--junit", type=click.Path(path_type=Path), help="Write the outcomes as JUnit XML, for CI.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    name: str,
    judge: str,
    base_url: str | None,
    critic_plugin: str,
    judge_plugin: str,
    out: Path | None,
    junit: Path | None,
    as_json: bool,
) -> int:
    """Run the examples of each principle through the real critic and judge, both orders. Exit 1 if one fails.

    The replies are kept in a ledger: the same test again asks nothing.
    """
    if ":" not in judge:
        raise UsageError(f"--judge {judge}: expected provider:model, for example openai:gpt-4o-mini")
    config = RunConfig.model_validate(
        {
            "constitution": name,
            "models": {"policy": {"name": judge, "base_url": base_url}},
            "critic": critic_plugin,
            "judge": judge_plugin,
        }
    )
    folder = RunFolder(out or Path("runs") / f"test-{Path(name).stem}")
    host = PluginHost()
    folder.create()
    with folder.lock(), redirect_stdout(sys.stderr):  # what a plugin prints is no part of the result
        tested = asyncio.run(run_examples(config, folder, host, Path.cwd()))
    outcomes = tested.outcomes
    if not outcomes:
        raise UsageError(f"{name} has no examples: give each principle at least two under `examples:`")
    if junit is not None:
        _write_junit(junit, name, outcomes)
    if as_json:
        made = {"calls_made": tested.calls_made, "calls_reused": tested.calls_reused, "accuracy": accuracy(outcomes)}
        click.echo(
            json.dumps(made | {"outcomes": [asdict(outcome) for outcome in outcomes]}, indent=2, ensure_ascii=False)
        )
    else:
        _show(outcomes, tested.calls_made, tested.calls_reused)
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def _show(outcomes: Sequence[Outcome], made: int, reused: int) -> None:
    by_principle: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_principle[outcome.principle].append(outcome)
    width = max(len("principle"), *(len(name) for name in by_principle))
    click.echo(f"{'principle':<{width}}  passed  confidence")
    for name, own in by_principle.items():
        read = [outcome.p for outcome in own if outcome.p is not None]
        confidence = f"{sum(read) / len(read):.2f}" if read else "–"
        click.echo(f"{name:<{width}}  {sum(o.passed for o in own)}/{len(own):<5} {confidence}")
    for outcome in outcomes:
        if not outcome.passed:
            p = "unreadable" if outcome.p is None else f"p {outcome.p:.2f}"
            click.echo(f"FAILED {outcome.where or outcome.principle}: {outcome.principle} example {outcome.number}")
            click.echo(f"       expected {outcome.kind}, {p}; {outcome.detail}".rstrip("; "))
    click.echo(f"{accuracy(outcomes):.0%} of {len(outcomes)} examples passed; {made} calls made, {reused} reused")


def _write_junit(path: Path, name: str, outcomes: Sequence[Outcome]) -> None:
    failures = sum(not outcome.passed for outcome in outcomes)
    suite = ElementTree.Element("testsuite", name=name, tests=str(len(outcomes)), failures=str(failures))
    for outcome in outcomes:
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"{name}.{outcome.principle}", name=f"example {outcome.number}: {outcome.kind}"
        )
        if not outcome.passed:
            ElementTree.SubElement(case, "failure", message=f"p = {outcome.p}").text = outcome.detail
    with writing(path), replacing(path) as file:
        ElementTree.ElementTree(suite).write(file, encoding="utf-8", xml_declaration=True)
