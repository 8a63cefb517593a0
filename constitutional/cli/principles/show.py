"""``constitutional principles show``"""

from __future__ import annotations

import json
from pathlib import Path

import click

from constitutional.errors import UsageError
from constitutional.pipeline.constitution import read_constitution
from constitutional.plugins import PluginHost
from constitutional.principles.tree import as_data, as_mermaid, as_text


@click.command("show")
@click.argument("name", metavar="NAME|FILE")
@click.option("--mermaid", is_flag=True, help="Print a mermaid graph, for a README or an issue.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str, mermaid: bool, as_json: bool) -> None:
    """Print a constitution as a tree, with all that it extends.

    Tiers stand in order of priority; ← says where a principle came from when it is not from the constitution itself.
    """
    if mermaid and as_json:
        raise UsageError("--mermaid and --json exclude each other")
    constitution = read_constitution(name, Path(), PluginHost(builtin=False))
    if as_json:
        click.echo(json.dumps(as_data(constitution), indent=2, ensure_ascii=False))
    else:
        click.echo(as_mermaid(constitution) if mermaid else as_text(constitution))
