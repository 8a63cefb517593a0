"""``constitutional plugins``"""

from __future__ import annotations

import json
from itertools import groupby

import click

from constitutional.plugins import PluginHost


@click.command("plugins")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """List the plugins, and what is wrong with those that failed.

    CONSTITUTIONAL_PLUGINS names the ones to load (comma-separated; empty: none but the built-ins).
    CONSTITUTIONAL_PLUGIN_TRACE=1 prints every hook call.
    """
    host = PluginHost().load()
    names = sorted(host.registered(), key=lambda item: (item.kind, item.name))
    if as_json:
        plugins = [
            {"name": p.name, "distribution": p.distribution, "version": p.version, "error": p.error}
            for p in host.plugins
        ]
        offered = [
            {
                "kind": item.kind,
                "name": item.name,
                "distribution": item.distribution,
                "version": item.version,
                "options": item.config.model_json_schema() if item.config else None,
            }
            for item in names
        ]
        click.echo(json.dumps({"plugins": plugins, "names": offered}, indent=2))
        return
    for kind, items in groupby(names, key=lambda item: item.kind):
        click.echo(f"{kind}:")
        for item in items:
            click.echo(f"  {item.name:<22} {item.distribution} {item.version}")
    for plugin in host.plugins:
        if plugin.error:
            click.echo(f"failed: {plugin.name} ({plugin.distribution} {plugin.version}): {plugin.error}")
