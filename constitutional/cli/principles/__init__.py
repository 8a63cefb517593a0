"""``constitutional principles``: what an author does with constitution files."""

from __future__ import annotations

import click

from constitutional.cli.lazy import LazyGroup

COMMANDS = {
    "list": "List the constitutions that ship and that plugins provide.",
    "show": "Print a constitution as a tree, with all that it extends.",
    "lint": "Find principles that load and yet are badly written; no model is asked.",
    "test": "Run the examples of each principle through a real critic and judge.",
    "diff": "What changed between two constitutions, and what that would change in a run.",
    "explain": "Why this pair: the whole story of one prompt of a run.",
    "stats": "What each principle did in a run, and what the run would be without it.",
    "new": "Write a commented file to start from.",
    "import": "Read a published list of principles into our format.",
}


@click.command("principles", cls=LazyGroup, lines=COMMANDS, module="constitutional.cli.principles.{}")
def command() -> None:
    """List, show, check, start and import constitutions.

    A constitution is named as in `generate`: a YAML file, a shipped name, or a name that a plugin provides.
    """
