"""``constitutional principles import``"""

from __future__ import annotations

import json
from pathlib import Path

import click

from constitutional.principles.importing import read_list, to_yaml
from constitutional.principles.writing import checked_name, name_from, write_new


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", metavar="NAME", help="Name of the constitution (default: made of the file's).")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Where to write it (default NAME.yaml).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(file: Path, name: str | None, out: Path | None, as_json: bool) -> None:
    """Read a published list of principles into our format. An existing file is never overwritten.

    FILE holds critique and revision pairs (a JSON list, or an object around one) or comparison principles (a JSON list
    of texts, or plain text with one principle a line, numbered or not). Every principle keeps its words.
    """
    named = checked_name(name) if name is not None else name_from(file)
    imported = read_list(file)
    path = out or Path(f"{named}.yaml")
    write_new(path, to_yaml(imported, named, file.name))
    count = len(imported.principles)
    if as_json:
        about = {"path": str(path), "name": named, "principles": count, "left_out": list(imported.left_out)}
        click.echo(json.dumps(about, indent=2))
        return
    click.echo(f"{path}: {count} principle{'' if count == 1 else 's'} imported")
    if imported.left_out:
        click.echo(f"left out, since it holds no principles: {', '.join(imported.left_out)}", err=True)
