"""``constitutional export``"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from constitutional.dataset.export import Format
    from constitutional.dataset.export.write import Report, Wanted
    from constitutional.dataset.source import DatasetFolder

NAMES = (
    "trl", "trl-plain", "trl-rewards", "kto", "sft", "openai", "axolotl", "llama-factory", "openrlhf", "argilla",
)  # fmt: skip


ANSWERS = "answers"


@click.command("export")
@click.argument("source", metavar="RUN|DATASET", type=click.Path(path_type=Path))
@click.option("--format", "name", required=True, type=click.Choice((*NAMES, ANSWERS)), help="Whose format.")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="FILE|DIR", help="Where to.")
@click.option("--split", metavar="NAME|all", help="One split, or all of them [a file: train; a folder: all].")
@click.option("--min-margin", type=click.FloatRange(0, 1), default=0.0, help="Leave out pairs with a smaller margin.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Only prompts with this tag; several: any of them.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The first N rows of each file.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    source: Path,
    name: str,
    out: Path,
    split: str | None,
    min_margin: float,
    tags: tuple[str, ...],
    limit: int | None,
    as_json: bool,
) -> int:
    """Write a dataset in the format of another trainer or tool.

    \b
    trl            TRL, conversational: DPOTrainer, RewardTrainer   .jsonl .parquet
    trl-plain      TRL, plain text: one user message                .jsonl .parquet
    trl-rewards    with chosen_reward, rejected_reward and margin   .jsonl .parquet
    kto            TRL's KTOTrainer: answers with a label           .jsonl .parquet
    sft            TRL's SFTTrainer: the revisions                  .jsonl .parquet
    openai         OpenAI preference fine-tuning                    .jsonl
    axolotl        Axolotl, with its part of the config             folder
    llama-factory  LLaMA-Factory, with dataset_info.json            folder
    openrlhf       OpenRLHF, train_dpo and train_rm                 .jsonl .parquet
    argilla        Argilla, for people to label                     folder
    answers        of a RUN: the sampled answers, to imitate        .jsonl

    What a format cannot hold is said on stderr: rows that are left out, and probabilities that become plain labels.
    """
    from constitutional.dataset.export import FORMATS
    from constitutional.dataset.export.write import Wanted, export, wanted_splits
    from constitutional.dataset.source import DatasetFolder
    from constitutional.errors import UsageError

    if name == ANSWERS:
        return _answers(source, out, tags, limit, as_json)
    format = FORMATS[name]
    if min_margin and format.subset != "preference":
        raise UsageError(f"--min-margin is of pairs, and {name} is made of the subset {format.subset}")
    folder = DatasetFolder.find(source)
    wanted = Wanted(wanted_splits(folder, format, split), min_margin, frozenset(tags), limit)
    report = export(folder, format, out, wanted)
    for line in _notes(folder, format, wanted, report):
        click.echo(line, err=True)
    if as_json:
        click.echo(json.dumps(_as_json(format, report), indent=2))
    else:
        for place in report.places:
            written = out if out.is_file() else out / place.file
            click.echo(f"{written}: {place.rows:,} rows ({place.split})")
    if not report.rows:
        click.echo("error: no row was written", err=True)
    return 0 if report.rows else 1


def _answers(run: Path, out: Path, tags: tuple[str, ...], limit: int | None, as_json: bool) -> int:
    from constitutional.dataset.answers import write_answers

    rows = write_answers(run, out, frozenset(tags), limit)
    if as_json:
        click.echo(json.dumps({"format": ANSWERS, "rows": rows, "files": [str(out)]}, indent=2))
    else:
        click.echo(f"{out}: {rows:,} rows")
    if not rows:
        click.echo("error: no row was written", err=True)
    return 0 if rows else 1


def _notes(folder: DatasetFolder, format: Format, wanted: Wanted, report: Report) -> list[str]:
    lines = [f"left out: {count:,} rows: {reason}" for reason, count in sorted(report.left_out.items())]
    if report.not_wanted:
        lines.append(f"not asked for: {report.not_wanted:,} rows (--min-margin, --tag)")
    if report.soft:
        lines.append(
            f"note: {format.name} holds no probabilities: {report.soft:,} labels are less than certain and become plain "
            "ones; --min-margin leaves out the weakest"
        )
    for split in folder.splits(format.subset):
        if split not in wanted.splits:
            lines.append(
                f"note: the split {split} ({folder.count(format.subset, split):,} rows) is not in it: --split all"
            )
    return lines


def _as_json(format: Format, report: Report) -> dict[str, object]:
    return {
        "format": format.name,
        "rows": report.rows,
        "files": [str(path) for path in report.files],
        "splits": {place.split: place.rows for place in report.places},
        "left_out": dict(sorted(report.left_out.items())),
        "not_asked_for": report.not_wanted,
        "plain_labels": report.soft,
    }
