"""``constitutional generate``"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from constitutional.cli.generate.summary import Ended
    from constitutional.cli.structured import Log
    from constitutional.config.run import RunConfig
    from constitutional.ledger import RunFolder
    from constitutional.pipeline.setup import Assembly
    from constitutional.pipeline.state import RunState
    from constitutional.plugins import PluginHost
    from constitutional.roles import SetFilter

EXIT_CODES = {"complete": 0, "budget": 1, "too-many-failures": 3, "interrupted": 130}


@click.command("generate")
@click.argument("run_file", required=False, type=click.Path(path_type=Path))
@click.option("--prompts", metavar="FILE|HUB_ID|-", help="JSONL, CSV, Parquet, a saved dataset, a Hub id, or stdin.")
@click.option("--constitution", metavar="NAME|FILE", help="A shipped constitution or a YAML file.")
@click.option("--model", metavar="PROVIDER:NAME", help="The model that answers, and every role not given otherwise.")
@click.option("--critic", metavar="PROVIDER:NAME", help="The model that criticises.")
@click.option("--reviser", metavar="PROVIDER:NAME", help="The model that revises.")
@click.option("--judge", metavar="PROVIDER:NAME|PLUGIN", help="The model that judges, or a judge plugin.")
@click.option(
    "--judge-card", metavar="FILE", help="What `constitutional audit` found of the judge; calibrates its labels."
)
@click.option("--accept-bad-judge", is_flag=True, default=None, help="Label although the judge card says it is unfit.")
@click.option("--base-url", metavar="URL", help="Address of the server, for models that have none of their own.")
@click.option("--price", metavar="IN,OUT", help="Money per million tokens, for models that have no price.")
@click.option("--system", metavar="TEXT", help="System message for dialogues without one.")
@click.option("--temperature", type=float, help="Sampling temperature of the answers (default 1).")
@click.option("--max-tokens", type=int, help="Longest answer, in tokens.")
@click.option("--responses", type=int, metavar="N", help="Answers sampled per prompt.")
@click.option("--rounds", type=int, metavar="N", help="Revisions tried per violated principle; 0: none.")
@click.option("--strategy", metavar="NAME", help="Which responses are compared.")
@click.option("--min-margin", type=float, help="Drop pairs whose |2p - 1| is smaller.")
@click.option("--limit", type=int, metavar="N", help="Use the first N prompts.")
@click.option("--seed", type=int, help="Seed of everything random.")
@click.option(
    "--concurrency",
    type=int,
    metavar="N",
    help="Most calls in flight per model; default: 64, or what vllm: can use.",
)
@click.option("--engine", metavar="local|ray", help="Where prompts are worked on: here, or on a Ray cluster.")
@click.option("--replicas", type=int, metavar="N", help="Most replicas on the Ray cluster; each loads the models.")
@click.option(
    "--batch",
    is_flag=True,
    default=None,
    help="Ask openai: and anthropic: models by their batches: half the price, hours.",
)
@click.option(
    "--batch-max-wait", type=float, metavar="HOURS", help="Cancel a batch after so long and ask the rest directly."
)
@click.option("--max-cost", type=float, metavar="X", help="Stop, keeping everything, when the run has cost this much.")
@click.option("--max-calls", type=int, metavar="N", help="Stop, keeping everything, when the run has made N calls.")
@click.option("--max-failure-rate", type=float, metavar="F", help="Stop when a larger share of prompts fails.")
@click.option("--out", metavar="DIR", help="The run folder. The same command again resumes.")
@click.option(
    "--dry-run", is_flag=True, help="Print the plan and an estimate of calls, tokens and cost; call no model."
)
@click.option("--fresh", is_flag=True, help="Start over in a new folder beside --out; nothing is deleted.")
@click.option("--accept-changes", is_flag=True, help="Go on in this folder although the policy's settings changed.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option(
    "--metrics-port", type=click.IntRange(0, 65535), metavar="N", help="Prometheus text on 127.0.0.1:N; 0: any."
)
@click.option("--log-json", is_flag=True, help="Log to stderr as JSON, one object a line, in place of the progress.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def command(
    run_file: Path | None,
    dry_run: bool,
    fresh: bool,
    accept_changes: bool,
    as_json: bool,
    metrics_port: int | None,
    log_json: bool,
    quiet: bool,
    **flags: Any,
) -> int:
    """Make a preference dataset: respond, critique, revise, judge, pair.

    RUN_FILE is a YAML file, or the folder of a run, which then goes on; flags override it. With no arguments a small
    dataset is made by the pocket model.
    """
    from constitutional.cli.resolve import resolve
    from constitutional.ledger import RunFolder
    from constitutional.pipeline.prompts import check_prompts
    from constitutional.pipeline.setup import check
    from constitutional.plugins import PluginHost

    if run_file is not None and (run_file / "config.yaml").is_file():
        run_file = run_file / "config.yaml"
    config, base, standin = resolve(run_file, flags)
    host = PluginHost()
    assembly = check(config, host, base)
    check_prompts(config.prompts or "-", base)
    folder = RunFolder(Path(config.out or "runs/demo"))
    quiet = quiet or log_json
    if dry_run:
        from constitutional.cli.generate.plan import show_plan

        show_plan(config, host, base, None if fresh else folder.ledger, as_json)
        return 0
    if fresh:
        folder = folder.fresh()
    if standin and not quiet:
        click.echo(standin, err=True)
    if not quiet:
        _say_of_the_card(assembly)
        _say_of_the_pocket(config)
    if config.rounds == 0 and config.strategy.plugin == "revised-vs-initial" and not log_json:
        click.echo(
            "warning: with 0 rounds nothing is revised, and revised-vs-initial finds nothing to compare", err=True
        )
    unmeasured = assembly.card is None and not standin
    watched = Watched(as_json, quiet, metrics_port, log_json)
    with redirect_stdout(sys.stderr):  # what a plugin prints is no part of the result
        carried = carry_out(config, base, folder, host, assembly.run_filters, accept_changes, watched)
    carried.ended.show(carried.warnings, as_json=as_json)
    if unmeasured and carried.first and carried.ended.result.pairs and not quiet:
        _say_how_to_measure(folder)
    return EXIT_CODES[carried.ended.result.status]


@dataclass(frozen=True, slots=True)
class Watched:
    """How the run is watched."""

    as_json: bool
    quiet: bool
    metrics_port: int | None
    log_json: bool


def _say_of_the_card(assembly: Assembly) -> None:
    from constitutional.pipeline.judge_card import card_notes

    if assembly.card is not None:
        for note in card_notes(assembly.card, assembly.named, assembly.judge_settings):
            click.echo(f"warning: {note}", err=True)


def _say_of_the_pocket(config: RunConfig) -> None:
    """The tiny model answers whatever it is asked: that it understands little of it is not seen in its verdicts."""
    plugins = ("llm", "pairwise-logprob", "pointwise")
    for role in ("critic", "reviser", "judge", "scorer"):
        part, entry = config.part(role), config.models.get(config.model_for(role))
        strange = not any(str(value).startswith("pocket/") for value in part.options.values())
        if entry is not None and entry.name.startswith("pocket:") and part.plugin in plugins and strange:
            click.echo(
                f"warning: {entry.name} knows one invented world and the words of prompts/pocket/: as {role} under other "
                "templates it says nothing of worth; docs/pocket.md has a run file for it",
                err=True,
            )
            return


def _say_how_to_measure(folder: RunFolder) -> None:
    run, sheet, card = (shlex.quote(str(folder.path / name)) for name in ("", "sheet.jsonl", "judge-card.json"))
    click.echo(
        f"note: nobody has measured this judge; 50 labels do it: constitutional sample {run}, fill in the sheet, "
        f"constitutional audit {run} --labels {sheet}, and the same run again with --judge-card {card}",
        err=True,
    )


@dataclass(frozen=True, slots=True)
class Carried:
    """A run that was carried out, to its end or until it stopped."""

    ended: Ended
    warnings: Sequence[str]
    first: bool
    """It was the folder's first session."""


def carry_out(
    config: RunConfig,
    base: Path,
    folder: RunFolder,
    host: PluginHost,
    run_filters: Sequence[SetFilter],
    accept_changes: bool,
    watched: Watched | None = None,
) -> Carried:
    """The whole of a run whose settings were checked: its prompts, its filters, its dataset, its log. Where nobody watches
    it says nothing."""
    from contextlib import ExitStack

    from constitutional.cli.generate.out import say_what_is_out, saying_what_stays_out
    from constitutional.cli.generate.resume import check_resume
    from constitutional.cli.generate.summary import Ended
    from constitutional.cli.progress import run_with_progress
    from constitutional.cli.structured import Log
    from constitutional.dataset.write import run_warnings, write_dataset
    from constitutional.loops import run_to_end
    from constitutional.pipeline.run_filters import sift_run

    # Arrow's own allocator keeps tens of megabytes that the system's gives back.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    watched = watched or Watched(as_json=False, quiet=True, metrics_port=None, log_json=False)
    quiet = watched.quiet
    log = Log() if watched.log_json else None
    folder.create()
    with ExitStack() as stack:
        started = _metrics(stack, watched, log)
        stack.enter_context(folder.lock())
        if folder.started:
            check_resume(config, base, folder, host, accept=accept_changes, quiet=quiet)
            if not quiet:
                say_what_is_out(config, folder.ledger)
        _save_config(config, base, folder)
        with saying_what_stays_out(folder.ledger, quiet=quiet):
            result, state, now = run_to_end(
                run_with_progress(config, folder, host, base, quiet=quiet, log=log, started=started)
            )
        if not now:
            complete = result.status == "complete"
            result = result.without(sift_run(folder, run_filters, complete=complete))
            write_dataset(folder, complete=complete)
        ended, warnings = Ended.of(folder, result, state), [*state.warnings, *run_warnings(folder)]
        first = ended.log()
        if log is not None:
            log.say("finished", **ended.json(warnings))
    return Carried(ended, warnings, first)


def _metrics(stack: ExitStack, watched: Watched, log: Log | None) -> Callable[[RunState], None] | None:
    """Served until the stack is left, where they are wanted; what is returned tells them that the run begins."""
    from constitutional.cli.generate.metrics import Metrics

    if watched.metrics_port is None:
        return None
    metrics = stack.enter_context(Metrics(watched.metrics_port))
    if log is not None:
        log.say("metrics", address=metrics.address)
    elif not watched.quiet:
        click.echo(f"metrics: {metrics.address}", err=True)
    return metrics.begin


def _save_config(config: RunConfig, base: Path, folder: RunFolder) -> None:
    """So that ``constitutional generate RUN/config.yaml`` is this very run, from wherever it is called."""
    from constitutional.whole import write_whole, writing

    saved = config.placed(base).model_copy(update={"out": "."})
    with writing(folder.config):
        write_whole(folder.config, saved.dump())
