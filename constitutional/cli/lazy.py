"""A group of commands that are named without being imported: ``--help`` loads none of them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from keyword import iskeyword
from typing import Any

import click


class LazyGroup(click.Group):
    """Knows every command's name and line of help; ``module`` says where its code is, as ``package.{}``, with ``_`` behind
    a name that Python has for itself."""

    def __init__(self, *args: Any, lines: Mapping[str, str], module: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lines = lines
        self._module = module

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.lines)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lines:
            return None
        module = importlib.import_module(self._module.format(f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name))
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self.lines.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.lines:
            from constitutional.errors import near_matches

            ctx.fail(f"no command {args[0]!r}{near_matches(args[0], self.lines)}")
        return super().resolve_command(ctx, args)
