"""Writes docs/cli.md from ``--help``: ``python -m docs.make_cli_reference``."""

from __future__ import annotations

from pathlib import Path

import click

from constitutional.cli import COMMANDS, cli

PAGE = Path(__file__).parent / "cli.md"
WIDTH = 100
HEAD = """# The command line

Written by `python -m docs.make_cli_reference` from `--help`: change the help text, not this page.
An option goes before the same key of the [run file](run-file.md). The exit codes are in the
[quickstart](quickstart.md#budgets-and-exit-codes).
"""


def reference() -> str:
    """The whole page."""
    parent = cli.make_context("constitutional", [], resilient_parsing=True, terminal_width=WIDTH)
    sections = [HEAD, _section("constitutional", cli, parent)]
    for name in COMMANDS:
        command = cli.get_command(parent, name)
        assert command is not None
        context = command.make_context(name, [], parent=parent, resilient_parsing=True)
        sections.append(_section(f"constitutional {name}", command, context))
    return "\n".join(sections)


def _section(title: str, command: click.Command, context: click.Context) -> str:
    lines = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    return f"## `{title}`\n\n```text\n{lines}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
