"""``constitutional-inverse``"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import click

from constitutional import ConfigError, ConstitutionalError, open_model
from constitutional_inverse.recover import Recovered, Settings, recover
from constitutional_inverse.rows import Preference, read_preferences
from constitutional_inverse.writing import write_constitution

DEFAULT = Settings()


@click.command()
@click.argument("data")
@click.option("--model", required=True, metavar="PROVIDER:NAME", help="Proposes the rules, and votes on them.")
@click.option("--base-url", metavar="URL", help="Address of its server.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("recovered.yaml"), show_default=True, metavar="FILE"
)
@click.option("--name", help="Of the constitution; default: the file's.")
@click.option("--budget", type=click.IntRange(1), default=DEFAULT.budget, show_default=True, help="Most rules kept.")
@click.option(
    "--proposals",
    type=click.IntRange(1),
    default=DEFAULT.proposals,
    show_default=True,
    help="Rules asked for per preference.",
)
@click.option(
    "--sample",
    type=click.IntRange(1),
    default=DEFAULT.sample,
    show_default=True,
    help="Preferences that rules are proposed from.",
)
@click.option(
    "--candidates", type=click.IntRange(1), default=DEFAULT.candidates, show_default=True, help="Rules voted on."
)
@click.option(
    "--held-out",
    type=click.FloatRange(0, 1, max_open=True),
    default=DEFAULT.held_out,
    show_default=True,
    help="Share that only judges the result.",
)
@click.option("--least", type=float, default=DEFAULT.least, show_default=True, help="A rule of less worth is left out.")
@click.option("--seed", type=int, default=DEFAULT.seed, show_default=True)
@click.option(
    "--run",
    type=click.Path(path_type=Path),
    default=Path("runs/inverse"),
    show_default=True,
    metavar="DIR",
    help="Where replies are kept.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    data: str, model: str, base_url: str | None, out: Path, name: str | None, run: Path, as_json: bool, **given: Any
) -> None:
    """Find the principles behind preferences: DATA is JSONL, CSV, Parquet, a saved dataset or a Hub id.

    The same command again asks nothing twice. The file it writes is an ordinary constitution: lint it, test it, run it.
    """
    if out.exists():
        raise ConfigError(f"{out} exists: give another name with --out")
    if ":" not in model:
        raise ConfigError(f"--model {model}: expected provider:model, for example openai:gpt-4o-mini")
    preferences = read_preferences(data)
    found = asyncio.run(_recover(preferences, model, base_url, run, Settings(**given)))
    if not found.rules:
        raise ConfigError(
            f"none of {found.considered} rules is worth {given['least']} on these preferences: nothing written"
        )
    write_constitution(found, name or out.stem, Path(data).name, out)
    if as_json:
        click.echo(json.dumps(_data(found, out), indent=2, ensure_ascii=False))
        return
    for rule in found.rules:
        click.echo(f"{rule.worth:6.3f}  {rule.accuracy:4.0%} of {rule.relevance:4.0%}  {rule.statement}")
    click.echo(
        f"held out: right in {found.accuracy:.0%} of the {found.coverage:.0%} of {found.held_out} that they speak of\n"
        f"{out}: constitutional principles lint {out}"
    )


async def _recover(
    preferences: list[Preference], model: str, base_url: str | None, run: Path, settings: Settings
) -> Recovered:
    async with open_model(model, run, base_url=base_url) as asked:
        return await recover(preferences, asked, settings, lambda line: click.echo(line, err=True))


def _data(found: Recovered, out: Path) -> dict[str, Any]:
    rules = [
        {"statement": rule.statement, "worth": rule.worth, "accuracy": rule.accuracy, "relevance": rule.relevance}
        for rule in found.rules
    ]
    held_out = {"preferences": found.held_out, "coverage": found.coverage, "accuracy": found.accuracy}
    return {"out": str(out), "considered": found.considered, "rules": rules, "held_out": held_out}


def main() -> None:
    """Every expected error is one line and an exit code."""
    try:
        command.main(prog_name="constitutional-inverse", standalone_mode=False)
    except ConstitutionalError as error:
        click.echo("\n".join(f"error: {line}" for line in str(error).splitlines()), err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        click.echo(f"error: {error.format_message()} (see constitutional-inverse --help)", err=True)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("error: interrupted", err=True)
        sys.exit(130)
