"""``constitutional principles lint``"""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

from constitutional.config.constitution import Provided, find_constitution, load_constitution
from constitutional.core.constitution import Constitution, Principle
from constitutional.errors import EXIT_FAILURE, EXIT_OK, ConfigError, UnknownNameError, UsageError
from constitutional.pipeline.constitution import provided
from constitutional.plugins import PluginHost
from constitutional.principles.lint import FAILING, RULES, Finding, Rule, lint

if TYPE_CHECKING:
    from constitutional.pipeline.review import Opinion

REVIEWER = "reviewer"
SILENCE = """\
A rule is silenced in the file: for one principle by `lint_ignore: [RULE]`, for all of them by
`lint: {ignore: [RULE]}` at the top."""


@click.command("lint")
@click.argument("files", nargs=-1, metavar="[NAME|FILE]...")
@click.option("--rules", is_flag=True, help="List the rules and exit.")
@click.option(
    "--explain", metavar="RULE", help="Say why a rule is there, with an example of a better wording, and exit."
)
@click.option("--model", metavar="PROVIDER:NAME", help="Ask this model too, for what no rule can see.")
@click.option("--base-url", metavar="URL", help="Address of its server.")
@click.option("--out", type=click.Path(path_type=Path), help="Where its replies are kept [runs/lint].")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    files: tuple[str, ...],
    rules: bool,
    explain: str | None,
    model: str | None,
    base_url: str | None,
    out: Path | None,
    as_json: bool,
) -> int:
    """Find principles that load and yet are badly written. Works offline; a model is asked only with --model.

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
    reviewer = None if model is None else Reviewer(model, base_url, out or Path("runs/lint"))
    return _check(files, reviewer, as_json)


@dataclasses.dataclass(frozen=True)
class Reviewer:
    """The model that is asked, and where its replies are kept. Its findings are notes of the rule ``reviewer``."""

    model: str
    base_url: str | None
    out: Path

    def findings(self, path: Path, offered: Provided, host: PluginHost) -> list[Finding]:
        import asyncio

        from constitutional.config.run import RunConfig
        from constitutional.ledger import RunFolder
        from constitutional.pipeline.review import review

        if ":" not in self.model:
            raise UsageError(f"--model {self.model}: expected provider:model, for example openai:gpt-4o-mini")
        whole = load_constitution(path, offered)
        silent = REVIEWER in whole.lint_ignore
        asked = [] if silent else [p for _, p in whole if REVIEWER not in p.lint_ignore and not _elsewhere(p, path)]
        policy = {"name": self.model, "base_url": self.base_url}
        config = RunConfig.model_validate({"models": {"policy": policy}})
        folder = RunFolder(self.out)
        folder.create()
        with folder.lock():
            opinions = asyncio.run(review(asked, config, folder, host, Path.cwd()))
        return [self._finding(opinion, path) for opinion in opinions]

    def _finding(self, opinion: Opinion, path: Path) -> Finding:
        line, column = (int(part) for part in opinion.principle.where.rsplit(":", 2)[1:])
        message = f"{opinion.principle.id}: {opinion.fault}"
        return Finding(REVIEWER, "note", str(path), line, column, opinion.principle.id, message, opinion.better)


def _elsewhere(principle: Principle, path: Path) -> bool:
    """Whether it stands in a file that this one extends."""
    return principle.where.rsplit(":", 2)[0] != str(path)


def _check(files: tuple[str, ...], reviewer: Reviewer | None, as_json: bool) -> int:
    """What is wrong with one file does not keep the others from being checked."""
    host = PluginHost(builtin=False) if reviewer is None else PluginHost()
    with_builtin = cache(PluginHost)  # for principles that name a judge or a critic, and loaded only then
    offered = provided(host)
    findings: list[Finding] = []
    broken: list[str] = []
    for name in files:
        try:
            path = find_constitution(name, Path(), offered)
            findings += lint(path, offered)
            _check_plugins(load_constitution(path, offered), with_builtin)
            findings += [] if reviewer is None else reviewer.findings(path, offered, host)
        except (ConfigError, UnknownNameError) as error:
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


def _check_plugins(constitution: Constitution, host: Callable[[], PluginHost]) -> None:
    """A judge or critic of a principle's own is there, and takes its options."""
    if all(principle.judge is None and principle.critic is None for _, principle in constitution):
        return
    from constitutional.pipeline.by_principle import own_plugins

    own_plugins(constitution, lambda kind, use: host().get(kind, use.plugin).options(dict(use.options), kind))


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
