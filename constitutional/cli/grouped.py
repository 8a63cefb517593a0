"""A command whose help shows its options under headings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

OTHER = "Other options"


class Grouped(click.Command):
    """``groups``: heading → names of parameters. What no group names stands under the last heading."""

    def __init__(self, *, groups: Mapping[str, Sequence[str]], **settings: object) -> None:
        super().__init__(**settings)  # type: ignore[arg-type]
        self.groups = groups

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        heading_of = {name: heading for heading, names in self.groups.items() for name in names}
        rows: dict[str, list[tuple[str, str]]] = {heading: [] for heading in (*self.groups, OTHER)}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                rows[heading_of.get(parameter.name or "", OTHER)].append(record)
        for heading, some in rows.items():
            if some:
                with formatter.section(heading):
                    formatter.write_dl(some)
