"""``constitutional plugins check``"""

from __future__ import annotations

import dataclasses
import json
import sys
import textwrap
from contextlib import redirect_stdout
from pathlib import Path

import click

from constitutional.cli.plugins.named import named, options_from
from constitutional.errors import EXIT_FAILURE, EXIT_OK
from constitutional.plugins import BUILTIN, GROUP, KINDS, PluginHost, Registered
from constitutional.testing.kit import Outcome, checks_of, examine
from constitutional.testing.subject import BUILTIN_MODULE, Subject


@click.command("check")
@click.argument("name")
@click.option("--kind", type=click.Choice(list(KINDS)), help="Where several kinds have this name.")
@click.option("--options", metavar="YAML", help="The options that it is examined with, such as '{threshold: 0.7}'.")
@click.option("--model", metavar="NAME", default="test", help="Of a provider: the name behind the colon.")
@click.option("--base-url", metavar="URL", help="Of a provider: the address of its server.")
@click.option("--verbose", is_flag=True, help="Say what each check means.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    name: str, kind: str | None, options: str | None, model: str, base_url: str | None, verbose: bool, as_json: bool
) -> int:
    """Run the conformance kit on an installed plugin. The exit code is 1 where it finds a fault.

    The plugin's code runs, in this process, with a made-up model behind it: nothing is paid for. A check that says
    nothing of this plugin is skipped, with the reason.
    """
    host = PluginHost()
    found = named(host, name, kind)
    given = options_from(options)
    results: dict[tuple[str, str], list[Outcome]] = {}
    for item in found:
        subject = Subject(
            item.kind, item.name, entry_of(item), options=given, model=model, base_url=base_url, base=Path.cwd()
        )
        with redirect_stdout(sys.stderr):  # what a plugin prints is no part of the result
            results[item.kind, item.name] = examine(subject)
    faults = sum(outcome.said == "fault" for outcomes in results.values() for outcome in outcomes)
    if as_json:
        shown = [
            {"kind": one, "name": called, "checks": [dataclasses.asdict(outcome) for outcome in outcomes]}
            for (one, called), outcomes in results.items()
        ]
        click.echo(json.dumps({"faults": faults, "subjects": shown}, indent=2, ensure_ascii=False))
    else:
        for (one, called), outcomes in results.items():
            _print(one, called, outcomes, verbose)
    return EXIT_FAILURE if faults else EXIT_OK


def entry_of(item: Registered) -> str | object:
    """The module that its entry point names; of an entry point that names an object, the object."""
    from importlib.metadata import entry_points

    if item.distribution == BUILTIN:
        return BUILTIN_MODULE
    entries = [entry for entry in entry_points(group=GROUP) if entry.dist and entry.dist.name == item.distribution]
    for entry in entries:
        plugin = entry.load() if entry.attr else entry.module
        trial = Subject(item.kind, item.name, plugin)
        if item.name in trial.host.names(item.kind):
            return plugin
    return entries[0].module


def _print(kind: str, name: str, outcomes: list[Outcome], verbose: bool) -> None:
    click.echo(f"{kind} {name}:")
    about = {check.name: check.about for check in checks_of(kind)}
    for outcome in outcomes:
        detail = f": {outcome.detail}" if outcome.detail else ""
        click.echo(f"  {outcome.said:<8} {outcome.check}{detail}")
        if verbose:
            click.echo(textwrap.fill(about[outcome.check], 100, initial_indent=" " * 11, subsequent_indent=" " * 11))
