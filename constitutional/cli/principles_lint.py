"""``constitutional principles lint``"""

from __future__ import annotations

import dataclasses
import json
import textwrap
from pathlib import Path

import click

from constitutional.config.constitution import find_constitution
from constitutional.errors import EXIT_FAILURE, EXIT_OK, ConfigError, UnknownNameError, UsageError
from constitutional.pipeline.setup import provided
from constitutional.plugins import PluginHost
from constitutional.principles.lint import FAILING, RULES, Finding, Rule, lint

SILENCE = """\
A rule is silenced in the file: for one principle by `lint_ignore: [RULE]`, for all of them by
`lint: {ignore: [RULE]}` at the top."""


@click.command("lint")
@click.argument("files", nargs=-1, metavar="[NAME|FILE]...")
@click.option("--rules", is_flag=True, help="List the rules and exit.")
@click.option(
    "--explain", metavar="RULE", help="Say why a rule is there, with an example of a better wording, and exit."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(files: tuple[str, ...], rules: bool, explain: str | None, as_json: bool) -> int:
    """Find principles that load and yet are badly written. Works offline; no model is asked.

    One finding a line, FILE:LINE:COLUMN: RULE: MESSAGE, with a suggestion below. The exit code is 1 where there is an
    error or a warning. A rule is silenced in the file: `lint_ignore: [RULE]` in a principle, `lint: {ignore: [RULE]}`
    at the top.
    """
    if explain is not None:
        if explain not in RULES:
            raise UnknownNameError.among("lint rule", explain, RULES)
        click.echo(json.dumps(_data(RULES[explain]), indent=2) if as_json else _explained(RULES[explain]))
        return EXIT_OK
    if rules:
        click.echo(json.dumps([_data(rule) for rule in RULES.values()], indent=2) if as_json else _listed())
        return EXIT_OK
    if not files:
        raise UsageError("name the files to check, or use --rules or --explain RULE")
    return _check(files, as_json)


def _check(files: tuple[str, ...], as_json: bool) -> int:
    """What is wrong with one file does not keep the others from being checked."""
    offered = provided(PluginHost())
    findings: list[Finding] = []
    broken: list[str] = []
    for name in files:
        try:
            findings += lint(find_constitution(name, Path(), offered), offered)
        except ConfigError as error:
            broken.append(str(error))
    failing = sum(finding.severity in FAILING for finding in findings)
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2, ensure_ascii=False))
    else:
        for finding in findings:
            click.echo(f"{finding}\n    {finding.suggestion}")
    if broken:
        raise ConfigError("\n".join(broken))
    if findings and not as_json:
        names = ", ".join(dict.fromkeys(finding.rule for finding in findings))
        click.echo(f"findings: {len(findings)} ({names}); --explain RULE says more", err=True)
    return EXIT_FAILURE if failing else EXIT_OK


def _data(rule: Rule) -> dict[str, str]:
    return {
        "id": rule.id,
        "severity": rule.severity,
        "reason": rule.reason,
        "bad": rule.bad,
        "better": rule.better,
    }


def _listed() -> str:
    wide = max(map(len, RULES))
    return "\n".join(f"{rule.id:<{wide}}  {rule.severity:<7}  {rule.reason}" for rule in RULES.values())


def _explained(rule: Rule) -> str:
    def shown(text: str) -> str:
        lines = (textwrap.fill(line, 100, initial_indent="    ", subsequent_indent="    ") for line in text.split("\n"))
        return "\n".join(lines)

    head = f"{rule.id} ({rule.severity})\n{rule.reason}"
    return f"{head}\n\nbad\n{shown(rule.bad)}\nbetter\n{shown(rule.better)}\n\n{SILENCE}"
