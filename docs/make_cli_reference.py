"""Writes docs/cli.md from ``--help``: ``python -m docs.make_cli_reference``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from constitutional.cli import cli

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
    return "\n".join([HEAD, *_sections("constitutional", cli, parent)])


def _sections(title: str, command: click.Command, context: click.Context) -> Iterator[str]:
    """The command, and below it the commands of its group."""
    yield _section(title, command, context)
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from _sections(f"{title} {name}", inner, click.Context(inner, parent=context, info_name=name))


def _section(title: str, command: click.Command, context: click.Context) -> str:
    lines = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    return f"## `{title}`\n\n```text\n{lines}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
