"""What long work says, on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from constitutional.saying import Say


def saying(quiet: bool) -> Say:
    return _silent if quiet else _say


def _say(line: str) -> None:
    click.echo(line, err=True)


def _silent(_: str) -> None:
    pass
