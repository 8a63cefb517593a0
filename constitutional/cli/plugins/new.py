"""``constitutional plugins new``"""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click

from constitutional.plugins import KINDS
from constitutional.scaffold import write_package

CHOICES = [*KINDS, "strategy"]
"""A pairing plugin is what a run file calls its strategy."""


@click.command("new")
@click.argument("name")
@click.option("--kind", required=True, type=click.Choice(CHOICES), help="What the package offers.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Where to write it (default NAME).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str, kind: str, out: Path | None, as_json: bool) -> None:
    """Write a complete package to start from: it passes its own tests, ruff and mypy as it is.

    An existing folder is never written to, unless it is empty.
    """
    kind = "pairing" if kind == "strategy" else kind
    folder = out or Path(name)
    files = [path.relative_to(folder).as_posix() for path in write_package(name, kind, folder)]
    if as_json:
        click.echo(json.dumps({"folder": str(folder), "name": name, "kind": kind, "files": files}, indent=2))
        return
    for file in files:
        click.echo(f"{folder / file}")
    click.echo(f"next: cd {shlex.quote(str(folder))} && pip install -e '.[test]' && pytest")
