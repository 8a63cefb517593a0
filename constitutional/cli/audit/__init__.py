"""``constitutional audit``"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from constitutional.audit.labels import Labels
    from constitutional.cli.audit.source import Source
    from constitutional.config.judge_card import JudgeCard, Measured
    from constitutional.pipeline.progress import Progress
    from constitutional.plugins import PluginHost


@click.command("audit")
@click.argument("run", required=False, type=click.Path(path_type=Path), metavar="[RUN|RUN.yaml]")
@click.option(
    "--labels", multiple=True, required=True, metavar="FILE|HUB_ID", help="Human labels; several may be given."
)
@click.option("--judge", metavar="PROVIDER:NAME|PLUGIN", help="The model that judges, or a judge plugin.")
@click.option("--model", metavar="PROVIDER:NAME", help="The model that a judge plugin asks.")
@click.option("--constitution", metavar="NAME|FILE", help="A shipped constitution or a YAML file [base].")
@click.option(
    "--out", type=click.Path(path_type=Path), help="The judge card [judge-card.json; of a RUN: in its folder]."
)
@click.option("--run", "folder", type=click.Path(path_type=Path), help="Folder of the ledger [beside the card].")
@click.option("--attacks", type=click.IntRange(min=0), default=25, show_default=True, metavar="N",
              help="Good answers that are attacked, four ways each; 0: none.")  # fmt: skip
@click.option("--base-url", metavar="URL", help="Address of the server, for models that have none of their own.")
@click.option("--price", metavar="IN,OUT", help="Money per million tokens, for models that have no price.")
@click.option("--max-tokens", type=int, help="Longest reply of a judge that writes, in tokens.")
@click.option("--concurrency", type=int, metavar="N", help="Most calls in flight.")
@click.option("--max-calls", type=int, metavar="N", help="Stop, keeping everything, after N calls.")
@click.option("--max-cost", type=float, metavar="X", help="Stop, keeping everything, at this much money.")
@click.option("--seed", type=int, help="Seed of splits and of the answers that are attacked [0].")
@click.option("--dry-run", is_flag=True, help="Print how many calls it would make, and their cost; call no model.")
@click.option("--json", "as_json", is_flag=True, help="Print the card as JSON.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def command(
    run: Path | None,
    labels: tuple[str, ...],
    folder: Path | None,
    out: Path | None,
    attacks: int,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    **flags: Any,
) -> int:
    """Measure a judge against human labels, and write its judge card: JSON, and a page with plots beside it.

    Each labelled pair is judged as a run would judge it, under every principle and in both orders. With RUN, a run
    folder, judge, model, constitution and ledger are that run's, and pairs that it judged cost nothing; with RUN.yaml
    they are those of a run to come. The same command again asks nothing twice, however it ended.
    """
    from constitutional.audit.attacks import attacked
    from constitutional.cli.audit.source import own_pairs, resolve
    from constitutional.plugins import PluginHost

    source = resolve(run, folder, out, flags)
    read, of_run = own_pairs(source, labels)
    against = attacked(read.pairs, attacks, source.config.seed)
    host = PluginHost()
    job = _Job(source, read, of_run, tuple(against), host)
    if dry_run:
        return job.plan(as_json)
    card = job.run(quiet=quiet)
    if card is None:
        return 130
    if as_json:
        click.echo(card.dump(), nl=False)
    else:
        _show(source.out, card)
    return 0


@dataclass(slots=True)
class _Job:
    source: Source
    labels: Labels
    of_run: int
    attacks: tuple[Any, ...]
    host: PluginHost
    progress: Progress | None = None

    def plan(self, as_json: bool) -> int:
        from constitutional.audit.ask import count_calls
        from constitutional.ledger import LedgerView
        from constitutional.pipeline.counting import Counting

        source = self.source
        view = LedgerView(source.folder.ledger) if source.folder.started else None
        counting = Counting(worst=True, view=view)
        questions = (self.labels.pairs, self.attacks, counting, source.constitution)
        asyncio.run(count_calls(source.config, self.host, source.base, *questions))
        loads = list(counting.loads.values())
        made = {
            "pairs": len(self.labels.pairs),
            "attacks": len(self.attacks),
            "calls": sum(load.calls for load in loads),
            "known": sum(load.known for load in loads),
            "prompt_tokens": sum(load.prompt_tokens for load in loads),
            "completion_tokens": sum(load.completion_tokens for load in loads),
            "cost": sum(load.cost for load in loads),
        }
        if as_json:
            click.echo(json.dumps(made, indent=2))
            return 0
        click.echo(f"{made['pairs']:,} labelled pairs, {made['attacks']:,} attacks")
        click.echo(
            f"{made['calls']:,} calls (and {made['known']:,} that the ledger holds), about {made['prompt_tokens']:,} "
            f"tokens in and {made['completion_tokens']:,} out, cost {made['cost']:.4g}"
        )
        return 0

    def run(self, *, quiet: bool) -> JudgeCard | None:
        """None where it was interrupted."""
        from constitutional import __version__
        from constitutional.audit.card import make_card
        from constitutional.audit.page import judge_page
        from constitutional.cli.audit.source import keep_labels
        from constitutional.errors import RunStoppedError
        from constitutional.pipeline.progress import INTERRUPTED

        source = self.source
        source.folder.create()
        with source.folder.lock():
            try:
                with redirect_stdout(sys.stderr):  # what a plugin prints is no part of the result
                    answers = asyncio.run(self._ask(quiet))
            except RunStoppedError as stopped:
                self._stopped(str(stopped))
                if str(stopped) == INTERRUPTED:
                    return None
                raise
            if source.of_run:
                keep_labels(source.folder, self.labels)
        if not quiet:
            click.echo("measuring", err=True)
        card = make_card(self.labels, answers, version=__version__, seed=source.config.seed, of_run=self.of_run)
        _write(source.out, card.dump())
        _write(source.out.with_suffix(".html"), judge_page(card))
        if not quiet:
            meter = answers.progress.meter
            click.echo(f"{meter.calls_made:,} calls made, {meter.calls_reused:,} reused", err=True)
        return card

    async def _ask(self, quiet: bool) -> Any:
        from constitutional.audit.ask import ask_judge
        from constitutional.cli.ticker import Ticker

        source, ticker = self.source, Ticker(quiet=quiet)

        def started(progress: Progress) -> None:
            self.progress = progress
            ticker.begin(progress)

        async with ticker:
            return await ask_judge(
                source.config,
                source.folder,
                self.host,
                source.base,
                self.labels.pairs,
                self.attacks,
                constitution=source.constitution,
                started=started,
                own_ledger=not source.of_run,
                without_model=source.without_model,
            )

    def _stopped(self, why: str) -> None:
        done = self.progress.done if self.progress is not None else 0
        total = self.progress.total if self.progress is not None else len(self.labels.pairs)
        click.echo(f"{why} after {done:,} of {total:,} comparisons: the same command goes on from here", err=True)


def _write(path: Path, text: str) -> None:
    from constitutional.whole import write_whole, writing

    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)


def _show(path: Path, card: JudgeCard) -> None:
    found, gate = card.measures, card.gate
    click.echo(f"{card.name}: {'may label' if gate.may_label else 'MAY NOT label'}")
    for check in gate.checks:
        click.echo(f"  {'ok ' if check.passed else 'NO '} {check.words}")
    for warning in gate.warnings:
        click.echo(f"  note: {warning}")
    rows = [
        ("accuracy", found.accuracy.overall),
        ("takes a side", found.accuracy.coverage),
        ("right where both orders agree", found.accuracy.consistent),
        ("keeps its side when swapped", found.orders.consistency),
        ("offset of the first place", found.orders.offset),
        ("longer wins, by the judge", found.length.judge_longer),
        ("longer wins, by people", found.length.people_longer),
        ("Cohen's kappa", found.agreement.kappa),
        ("Krippendorff's alpha", found.agreement.alpha),
        ("alpha of people alone", found.agreement.people_alpha),
        *((f"ECE {when}", fit.ece) for when, fit in card.calibration.fits),
        *((f"fooled by {attack.name}", attack.fooled) for attack in found.attacks),
    ]
    for name, value in rows:
        if value is not None:
            click.echo(f"  {name:<32} {_number(value)}")
    kind = card.calibration.kind
    click.echo(f"  calibration: {kind if card.calibration.after else card.calibration.note}")
    click.echo(f"labels: {_labels(card)}")
    click.echo(f"card: {path}\npage: {path.with_suffix('.html')}")


def _number(found: Measured) -> str:
    return f"{round(found.value, 3) + 0.0:6.3f}  [{found.low:.3f}, {found.high:.3f}]  n = {found.n:,}"


def _labels(card: JudgeCard) -> str:
    data = card.data
    read = ", ".join(f"{r.label!r} as {r.meaning} ({r.count:,})" for r in data.readings[:6]) or "chosen and rejected"
    more = f"; {data.unlabelled:,} rows without one" if data.unlabelled else ""
    return f"{data.pairs:,} pairs, {data.ties:,} ties{more}; read {read}"
