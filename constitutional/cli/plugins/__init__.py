"""``constitutional plugins``: what is installed, what it offers, and a package to start from."""

from __future__ import annotations

import click

from constitutional.cli.lazy import LazyGroup

COMMANDS = {
    "list": "List the plugins, and what is wrong with those that failed.",
    "show": "What a plugin does, its options, and how a run file names it.",
    "check": "Run the conformance kit on an installed plugin.",
    "new": "Write a complete package to start from.",
}


@click.command(
    "plugins",
    cls=LazyGroup,
    lines=COMMANDS,
    module="constitutional.cli.plugins.{}",
    invoke_without_command=True,
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """List, show, check and start plugins. Alone it is `plugins list`.

    CONSTITUTIONAL_PLUGINS names the ones to load (comma-separated; empty: none but the built-ins).
    CONSTITUTIONAL_PLUGIN_TRACE=1 prints every hook call.
    """
    if context.invoked_subcommand is None:
        from constitutional.cli.plugins.list import show_list

        show_list(as_json)
    elif as_json:
        raise click.UsageError(
            f"--json goes behind the command: plugins {context.invoked_subcommand} … --json", context
        )
