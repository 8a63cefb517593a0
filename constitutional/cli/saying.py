"""What long work says, on stderr."""

from __future__ import annotations

import click

from constitutional.saying import Say
from constitutional.saying import quiet as silent


def saying(quiet: bool) -> Say:
    return silent if quiet else _say


def _say(line: str) -> None:
    click.echo(line, err=True)
