"""``constitutional iterate``"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from constitutional.cli.grouped import Grouped
from constitutional.cli.train import command as train
from constitutional.errors import EXIT_FAILURE, EXIT_INTERRUPTED, EXIT_TOO_MANY_FAILURES
from constitutional.saying import say, silent

if TYPE_CHECKING:
    from constitutional.training.iterate.run import IterateResult
    from constitutional.training.iterate.settings import IterateSettings

EXIT_CODES = {
    "complete": 0, "stopped": EXIT_TOO_MANY_FAILURES, "budget": EXIT_FAILURE, "interrupted": EXIT_INTERRUPTED,
}  # fmt: skip
OF_TRAIN = (
    "loss", "beta", "alpha", "ipo_beta", "labels", "lr", "epochs", "max_steps", "batch", "micro_batch", "schedule", "warmup",
    "weight_decay", "max_grad_norm", "optimizer", "lora", "lora_alpha", "lora_dropout", "lora_targets", "max_length",
    "chat_template", "eval_rows", "eval_every", "save_every", "patience", "guards", "samples", "sample_tokens", "precision",
    "attention", "gradient_checkpointing", "liger", "cpu", "trust_remote_code",
)  # fmt: skip
OWN = ("rounds", "out", "model", "reference", "mix", "online_ratio", "held_out", "held_out_share", "measure", "least")


@click.command("iterate", cls=Grouped, groups={"The rounds": OWN, "Each round's training": OF_TRAIN})
@click.argument("run_file", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="RUN.yaml")
@click.option("--rounds", type=int, default=3, show_default=True, metavar="N", help="At most so many.")
@click.option("--out", required=True, metavar="DIR", help="Holds every round. The same command again goes on.")
@click.option("--model", metavar="FOLDER|HUB_ID", help="The weights to train first (default: the run's policy).")
@click.option(
    "--reference", default="previous", show_default=True, metavar="KIND", help="Of a round: previous or first."
)
@click.option(
    "--mix", default="50,30,20", show_default=True, metavar="N,F,E", help="Shares of new, the first and earlier pairs."
)
@click.option(
    "--online-ratio",
    default="1",
    show_default=True,
    metavar="LOW-HIGH",
    help="Share of the prompts that a later round answers anew; of two, it adapts between them.",
)
@click.option("--held-out", metavar="FILE", help="Prompts that are never trained on (default: a share of the run's).")
@click.option(
    "--held-out-share", type=float, metavar="F", help="Of the run's prompts, without --held-out (default 0.2)."
)
@click.option("--measure", metavar="NAME", help="What is to improve, as `evaluate` names it (default violation_rate).")
@click.option("--least", type=float, metavar="F", help="A round that improves it by less is the last (default 0.01).")
@click.option("--json", "as_json", is_flag=True, help="Print iterate.json.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def command(run_file: Path, as_json: bool, quiet: bool, **flags: Any) -> int:
    """Rounds of generate, judge, pair, train, evaluate; each answers with the model of the one before.

    RUN.yaml is a run file whose policy can be trained. Every round is a run folder with its model and its evaluation; the
    best one is DIR/best. The same command again goes on where it was, and does nothing twice.
    """
    from constitutional.training.iterate.run import iterate

    result = iterate(settings_of(run_file, flags), silent if quiet else say)
    _show(result, as_json)
    return EXIT_CODES[result.status]


command.params.extend(option for option in train.params if option.name in OF_TRAIN)


def settings_of(run_file: Path, flags: dict[str, Any]) -> IterateSettings:
    from constitutional.cli.train import settings_of as train_settings
    from constitutional.config.run import read_run
    from constitutional.training.iterate.settings import IterateSettings, Mix, Ratio, first_model

    run, base = read_run(run_file), run_file.resolve().parent
    model = first_model(run, base, flags["model"])
    training = {name: flags[name] for name in OF_TRAIN}
    given = {
        name: flags[name] for name in ("held_out", "held_out_share", "measure", "least") if flags[name] is not None
    }
    return IterateSettings(
        run=run,
        base=base,
        out=Path(flags["out"]).expanduser(),
        rounds=flags["rounds"],
        train=train_settings("", {"stage": "dpo", "model": model, "out": flags["out"], "seed": run.seed, **training}),
        model=model,
        reference=flags["reference"],
        mix=Mix.parse(flags["mix"]),
        ratio=Ratio.parse(flags["online_ratio"]),
        **given,
    ).check()


def _show(result: IterateResult, as_json: bool) -> None:
    from constitutional.training.iterate.page import rounds_table

    if as_json:
        click.echo(json.dumps({"out": str(result.out)} | result.record, indent=2, ensure_ascii=False))
        return
    shown = rounds_table(result.record)
    cells = [tuple(shown.head), *(tuple(row) for row in shown.rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(shown.head))]
    for row in cells if len(cells) > 1 else ():
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    click.echo(f"ended: {result.record['ended']}")
    best = result.record["best"]
    if result.record["rounds"]:
        click.echo(
            f"best: round {best}, {result.out / 'best'}" if best else "best: the model before all; no round is better"
        )
    click.echo(f"page: {result.out / 'index.html'}")
