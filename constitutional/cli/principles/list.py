"""``constitutional principles list``"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from constitutional.config.constitution import find_constitution, load_constitution
from constitutional.errors import ConstitutionalError
from constitutional.pipeline.constitution import provided
from constitutional.plugins import PluginHost
from constitutional.resources import data_folder, shipped_names


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """List the constitutions that ship and that plugins provide: version, tiers, number of principles, purpose."""
    rows = list(_rows())
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    wide = max(len(row["name"]) for row in rows)
    for row in rows:
        source = "" if row["provided_by"] is None else f"  ({row['provided_by']})"
        click.echo(f"{row['name']:<{wide}}  {_about(row)}{source}")


def _rows() -> Iterator[dict[str, Any]]:
    host = PluginHost(builtin=False)
    offered = provided(host)
    folder = data_folder("constitutions")
    named: list[tuple[str, str | None]] = [(name, None) for name in shipped_names("constitutions", ".yaml")]
    named += [(item.name, item.distribution) for item in host.registered() if item.kind == "constitution"]
    for name, distribution in named:
        row = {"name": name, "provided_by": distribution}
        try:
            constitution = load_constitution(find_constitution(name, folder, offered), offered)
        except ConstitutionalError as error:
            yield row | {"error": str(error)}
            continue
        yield row | {
            "version": constitution.version,
            "tiers": [{"id": tier.id, "force": tier.force} for tier in constitution.tiers],
            "principles": sum(len(tier.principles) for tier in constitution.tiers),
            "mode": constitution.mode,
            "description": constitution.description,
        }


def _about(row: dict[str, Any]) -> str:
    if "error" in row:
        return "; ".join(row["error"].splitlines())
    tiers = len(row["tiers"])
    count = f"{row['principles']:>2} principles in {tiers} tier{'' if tiers == 1 else 's'}"
    return f"{row['version']:<6} {count:<25} {row['description']}"
