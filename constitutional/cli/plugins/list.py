"""``constitutional plugins list``"""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

import click

from constitutional.hookspecs import PLUGIN_API
from constitutional.plugins import PluginHost, Registered

VERSION = ".".join(str(part) for part in PLUGIN_API)


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the schema of all options.")
def command(as_json: bool) -> None:
    """List the plugins, and what is wrong with those that failed.

    In brackets are the names of the options: `plugins show NAME` says what they mean.
    """
    show_list(as_json)


def show_list(as_json: bool) -> None:
    host = PluginHost().load()
    names = sorted(host.registered(), key=lambda item: (item.kind, item.name))
    if as_json:
        plugins = [
            {
                "name": plugin.name,
                "distribution": plugin.distribution,
                "version": plugin.version,
                "error": plugin.error,
                "deprecated": list(plugin.notes),
                "seconds": round(plugin.seconds, 3),
            }
            for plugin in host.plugins
        ]
        click.echo(
            json.dumps(
                {"plugin_api": VERSION, "plugins": plugins, "names": [as_data(item) for item in names]}, indent=2
            )
        )
        return
    for kind, items in groupby(names, key=lambda item: item.kind):
        click.echo(f"{kind}:" if kind != "pairing" else "pairing (`strategy` of a run file):")
        for item in items:
            options = f"  [{', '.join(item.config.model_fields)}]" if item.config else ""
            click.echo(f"  {item.name:<22} {item.distribution} {item.version}{options}")
    for plugin in host.plugins:
        if plugin.error:
            click.echo(f"failed: {plugin.name} ({plugin.distribution} {plugin.version}): {plugin.error}")


def as_data(item: Registered) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "name": item.name,
        "distribution": item.distribution,
        "version": item.version,
        "options": item.config.model_json_schema() if item.config else None,
    }
