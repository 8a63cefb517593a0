"""``constitutional merge``"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from constitutional.dataset.merge import Merged
    from constitutional.ledger import RunFolder


@click.command("merge")
@click.argument("runs", metavar="RUN…", nargs=-1, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="The new run folder.")
@click.option(
    "--by",
    type=click.Choice(["prompt", "pair"]),
    default="prompt",
    show_default=True,
    help="What may be in it once: a dialogue, or two answers to a dialogue.",
)
@click.option(
    "--similarity",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Dialogues so alike are the same; 1: but for case, punctuation and white space.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(runs: tuple[Path, ...], out: Path, by: str, similarity: float, as_json: bool) -> None:
    """Make one run folder of several: the prompts, calls and labels of all, and a dataset in which each row names its run.

    Of a dialogue that several runs have, the first is kept that became a pair. With --by pair all are kept, and only two
    answers that were compared twice count once. Settings in which the runs differ are named. The folder works with
    export, push, verify, audit, sample, watch and train.
    """
    from typing import cast

    from constitutional.dataset.merge import By, merge
    from constitutional.dataset.write import write_dataset
    from constitutional.errors import UsageError
    from constitutional.ledger import RunFolder

    if len(runs) < 2:
        raise UsageError("give at least two runs to merge")
    if by == "pair" and similarity < 1:
        raise UsageError("--similarity is of dialogues: leave it out, or merge --by prompt")
    folder = RunFolder(out)
    if folder.started and not _without_dataset(folder):
        raise UsageError(f"--out {out}: holds a run already: choose another folder")
    folder.create()
    with folder.lock():
        done = merge(runs, folder, cast("By", by), similarity)
        _keep_settings(RunFolder(runs[0]), folder)
        write_dataset(folder, complete=done.complete)
    for line in _differences(done):
        click.echo(line, err=True)
    if as_json:
        click.echo(json.dumps(_as_json(folder, done, runs), indent=2, ensure_ascii=False))
        return
    kept, pairs = sum(done.kept.values()), sum(done.pairs.values())
    click.echo(f"{out}: {len(done.names)} runs, {kept:,} prompts, {pairs:,} pairs")
    for run, place in zip(done.runs(), done.folders, strict=True):
        repeated = f", {run['repeated_pairs']:,} pairs repeated" if by == "pair" else f", {run['dropped']:,} repeated"
        click.echo(f"  run {run['name']}: {run['kept']:,} of {run['prompts']:,} prompts{repeated}  ({place})")
    if done.contradicted:
        click.echo(f"  {done.contradicted:,} repeated pairs have the other label: the first run's is kept")
    click.echo(f"dataset: {folder.dataset}")


def _without_dataset(folder: RunFolder) -> bool:
    """What a merge leaves that was killed at its very end: it is done again."""
    from constitutional.ledger import LedgerView

    with LedgerView(folder.ledger) as view:
        return view.meta("merged") is not None and not folder.dataset.is_dir()


def _keep_settings(first: RunFolder, folder: RunFolder) -> None:
    """Of the first run, whose paths are whole there: `audit` asks the merged run's judge by them."""
    from constitutional.config.run import read_run
    from constitutional.whole import write_whole

    if first.config.is_file():
        config = read_run(first.config).model_copy(update={"out": "."})
        write_whole(folder.config, config.dump())


def _differences(done: Merged) -> list[str]:
    lines = []
    for setting, values in done.differences.items():
        shown: dict[str, list[str]] = {}
        for name, value in values.items():
            shown.setdefault("none" if value is None else str(value), []).append(name)
        lines.append(f"the runs differ in {setting}: " + "; ".join(f"{v} ({', '.join(n)})" for v, n in shown.items()))
    if "constitution" in done.differences:
        lines.append("warning: the labels follow different constitutions; the column `run` tells them apart")
    return lines


def _as_json(folder: RunFolder, done: Merged, runs: tuple[Path, ...]) -> dict[str, Any]:
    return {
        "run": str(folder.path),
        "dataset": str(folder.dataset),
        "merged": [str(path) for path in runs],
        "complete": done.complete,
        "prompts": sum(done.kept.values()),
        "pairs": sum(done.pairs.values()),
        "contradicted": done.contradicted,
        "runs": done.runs(),
        "differences": done.differences,
    }
