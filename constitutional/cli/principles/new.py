"""``constitutional principles new``"""

from __future__ import annotations

import json
from pathlib import Path

import click

from constitutional.principles.starter import starter
from constitutional.principles.writing import checked_name, write_new


@click.command("new")
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Where to write it (default NAME.yaml).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str, out: Path | None, as_json: bool) -> None:
    """Write a commented file to start from. An existing file is never overwritten.

    The JSON Schema that editors complete from is laid beside it.
    """
    path = out or Path(f"{checked_name(name)}.yaml")
    write_new(path, starter(checked_name(name), str(path)))
    if as_json:
        click.echo(json.dumps({"path": str(path), "name": name}, indent=2))
    else:
        click.echo(f"{path}: change it line by line, then `constitutional principles lint {path}`")
