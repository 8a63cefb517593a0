"""``constitutional principles diff``"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from constitutional.core.enforcement import in_force
from constitutional.pipeline.constitution import read_constitution
from constitutional.plugins import PluginHost
from constitutional.principles.difference import Effect, difference, effect


@click.command("diff")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option(
    "--run", type=click.Path(path_type=Path), help="Which rulings of this run would change; no model is asked."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(old: str, new: str, run: Path | None, as_json: bool) -> None:
    """What changed between two constitutions (names or files): added, removed, reworded, re-tiered, re-weighted."""
    host = PluginHost(builtin=False)
    before, after = (read_constitution(name, Path(), host) for name in (old, new))
    changes = difference(before, after)
    found: Effect | None = None
    if run is not None:
        from constitutional.pipeline.opened import open_run

        with open_run(run) as opened:
            # What was judged is known by the words that the run had, whatever OLD says.
            found = effect(opened.constitution, in_force(after), opened.traces())
            if any(change.what != "version" for change in difference(opened.constitution, in_force(before))):
                click.echo(
                    f"note: {run} was made with other principles than {old}: these are its rulings under {new}",
                    err=True,
                )
    if as_json:
        made = {"changes": [asdict(change) for change in changes], "effect": asdict(found) if found else None}
        click.echo(json.dumps(made, indent=2, ensure_ascii=False))
        return
    for change in changes:
        click.echo(str(change))
    if not changes:
        click.echo("no difference in meaning")
    if found is not None:
        _show(found)


def _show(found: Effect) -> None:
    click.echo(
        f"of {found.rulings:,} rulings: {len(found.flipped):,} would change side, {len(found.vanished):,} would become "
        f"ties, {len(found.appeared):,} ties would be decided, {found.unknown:,} need new calls"
    )
    for title in ("flipped", "vanished", "appeared"):
        ids: tuple[str, ...] = getattr(found, title)
        if ids:
            click.echo(f"  {title}: {', '.join(ids[:10])}{' …' if len(ids) > 10 else ''}")
