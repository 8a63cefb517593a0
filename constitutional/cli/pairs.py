"""``constitutional pairs``"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from constitutional.config.run import PluginConfig, RunConfig
    from constitutional.dataset.tally import Tally
    from constitutional.pipeline.opened import OpenRun
    from constitutional.pipeline.strategies.tried import Tried


@click.command("pairs")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--compare", metavar="NAME,NAME,…", help="These strategies, side by side [all that are installed].")
@click.option("--strategy", metavar="NAME", help="This one; with --out its dataset is written.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="A new run folder for --strategy.")
@click.option("--min-margin", type=click.FloatRange(0, 1), metavar="F", help="Instead of the run's own.")
@click.option("--accept-incomplete", is_flag=True, help="Write what there is, although calls are missing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    run: Path,
    compare: str | None,
    strategy: str | None,
    out: Path | None,
    min_margin: float | None,
    accept_incomplete: bool,
    as_json: bool,
) -> None:
    """Show what other pairing strategies make of RUN, from its ledger alone: no model is asked.

    A strategy may be given options: max-margin:pairs=2. Where it needs calls that the run did not make, their number is
    shown, and its figures are of the other prompts; `constitutional generate RUN/config.yaml --strategy NAME` makes them.
    With --strategy and --out a run folder is written that holds the same calls and the pairs of that strategy.
    """
    from constitutional.errors import UsageError
    from constitutional.pipeline.opened import open_run

    if compare is not None and strategy is not None:
        raise UsageError("--compare and --strategy: give one of them")
    if out is not None and strategy is None:
        raise UsageError("--out needs --strategy: whose pairs are to be written?")
    with open_run(run) as opened:
        comparison = _Comparison(opened, min_margin)
        tried = comparison.tried(_strategies(compare or strategy, comparison), keep=out is not None)
    comparison.say_what_changed()
    written = None
    if out is not None:
        written = _write(run, out, comparison.config, tried[0], accept_incomplete)
    if as_json:
        found = {"run": str(run), "strategies": comparison.as_json(tried), "written": written}
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for line in comparison.lines(tried):
        click.echo(line)
    if written is not None:
        click.echo(f"dataset: {written}")


class _Comparison:
    """A run and its settings, and a tally for each strategy."""

    def __init__(self, run: OpenRun, min_margin: float | None) -> None:
        from constitutional.plugins import PluginHost

        run.demand_one()
        self.run = run
        self.host = PluginHost()
        self.config, self.base = run.settings()
        if min_margin is not None:
            self.config = self.config.model_copy(update={"min_margin": min_margin})
        self.tallies: list[Tally] = []
        self.own = run.config.strategy
        self.plan = run.view.meta("plan")
        self.status = run.view.meta("status")
        self.changed = False

    def tried(self, strategies: Sequence[PluginConfig], *, keep: bool) -> list[Tried]:
        from constitutional.dataset.tally import Tally
        from constitutional.pipeline.strategies.tried import try_strategies

        self.tallies = [Tally() for _ in strategies]
        found = try_strategies(
            self.config, self.host, self.base, self.run.constitution, self.run.view, strategies,
            self.run.placed(), lambda number, trace: self.tallies[number].add(trace), keep=keep,
        )  # fmt: skip
        same = self.config.min_margin == self.run.config.min_margin
        self.changed = same and any(one.strategy == self.own and one.assembly.plan != self.plan for one in found)
        return found

    def say_what_changed(self) -> None:
        if self.changed:
            click.echo(
                "note: settings, templates or models of the run have changed since it was made; the figures are of what "
                "they are now",
                err=True,
            )

    def as_json(self, tried: Sequence[Tried]) -> list[dict[str, Any]]:
        return [self._figures(one, tally) for one, tally in zip(tried, self.tallies, strict=True)]

    def _figures(self, one: Tried, tally: Tally) -> dict[str, Any]:
        pairs = tally.pairs
        chosen, rejected = (total[0] for total in tally.characters)
        return {
            "strategy": one.strategy.plugin,
            "options": one.strategy.options,
            "of_the_run": one.strategy == self.own,
            "prompts": tally.prompts,
            "prompts_with_a_pair": tally.paired,
            "pairs": pairs,
            "mean_margin": tally.margin / pairs if pairs else None,
            "mean_p": tally.p_chosen / pairs if pairs else None,
            "length_difference": (chosen - rejected) / pairs if pairs else None,
            "chosen_is_longer": tally.longer / pairs if pairs else None,
            "tiers": dict(tally.tiers.most_common()),
            "vetoes": tally.vetoes,
            "conflicts": tally.conflicts,
            "rejects": dict(tally.rejects.most_common()),
            "missing_calls": one.calls,
            "missing_prompts": one.prompts,
        }

    def lines(self, tried: Sequence[Tried]) -> list[str]:
        figures = self.as_json(tried)
        head = ["strategy", "pairs", "prompts", "margin", "p", "longer by", "conflicts", "vetoes", "calls missing"]
        rows = [[_name(row), *_cells(row)] for row in figures]
        tiers = list(dict.fromkeys(tier for row in figures for tier in row["tiers"]))
        for tier in tiers:
            head.append(tier)
            for row, cells in zip(figures, rows, strict=True):
                cells.append(f"{row['tiers'].get(tier, 0):,}")
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) if n == 0 else cell.rjust(width)
                      for n, (cell, width) in enumerate(zip(cells, widths, strict=True))).rstrip()
            for cells in (head, *rows)
        ]  # fmt: skip
        lines.append("margin, p: means. longer by: mean characters of chosen less rejected. The last columns: pairs decided "
                     "by each tier.")  # fmt: skip
        own = "; * the run's own" if any(row["of_the_run"] for row in figures) else ""
        unfinished = "" if self.status == "complete" else f"; the run is not complete ({self.status})"
        lines.append(f"prompts in all: {figures[0]['prompts']:,}{own}{unfinished}")
        if any(one.calls for one in tried):
            lines.append(
                f"calls missing: at most; the figures are of the prompts that need none. To make them: constitutional "
                f"generate {shlex.quote(str(self.run.folder.config))} --strategy NAME"
            )
        return lines


def _name(row: dict[str, Any]) -> str:
    options = "".join(f":{name}={value}" for name, value in row["options"].items())
    return f"{row['strategy']}{options}{' *' if row['of_the_run'] else ''}"


def _cells(row: dict[str, Any]) -> list[str]:
    def number(name: str, form: str) -> str:
        return "–" if row[name] is None else format(row[name], form)

    missing = "0"
    if row["missing_calls"]:
        missing = f"{row['missing_calls']:,} of {row['missing_prompts']:,} prompts"
    return [
        f"{row['pairs']:,}", f"{row['prompts_with_a_pair']:,}", number("mean_margin", ".3f"), number("mean_p", ".3f"),
        number("length_difference", "+.0f"), f"{row['conflicts']:,}", f"{row['vetoes']:,}", missing,
    ]  # fmt: skip


def _strategies(named: str | None, comparison: _Comparison) -> list[PluginConfig]:
    """The run's own goes as it stands in the run file, with its options; without names it comes first."""
    from constitutional.config.run import PluginConfig
    from constitutional.pipeline.strategies.tried import strategy_of

    own = comparison.own
    if named is None:
        return [own, *(PluginConfig(plugin=name) for name in _without_options(comparison) if name != own.plugin)]
    wanted = [strategy_of(text) for text in named.split(",") if text.strip()]
    return [own if one.plugin == own.plugin and not one.options else one for one in wanted]


def _without_options(comparison: _Comparison) -> Iterator[str]:
    """All that are installed, but for those that cannot do without options."""
    from constitutional.errors import ConstitutionalError

    for name in comparison.host.names("pairing"):
        try:
            comparison.host.get("pairing", name).options({}, "strategy")
        except ConstitutionalError as error:
            click.echo(f"note: left out: {name}: {error}", err=True)
        else:
            yield name


def _write(run: Path, out: Path, config: RunConfig, tried: Tried, accept_incomplete: bool) -> str:
    """The path of the dataset."""
    from constitutional.dataset.write import write_dataset
    from constitutional.errors import UsageError
    from constitutional.ledger import RunFolder
    from constitutional.pipeline.strategies.retell import retell
    from constitutional.whole import write_whole, writing

    name = tried.strategy.plugin
    if tried.calls and not accept_incomplete:
        command = shlex.join(["constitutional", "generate", str(run / "config.yaml"), "--strategy", name])
        raise UsageError(
            f"{name} needs up to {tried.calls:,} calls about {tried.prompts:,} prompts that {run} does not hold: make them "
            f"with `{command}`, or write the other prompts with --accept-incomplete"
        )
    folder = RunFolder(out)
    if folder.started:
        raise UsageError(f"--out {out}: holds a run already: choose another folder")
    folder.create()
    here = config.model_copy(update={"strategy": tried.strategy, "out": "."})
    with folder.lock():
        complete = retell(RunFolder(run), folder, here, tried)
        with writing(folder.config):
            write_whole(folder.config, here.dump())
        write_dataset(folder, complete=complete)
    return str(folder.dataset)
