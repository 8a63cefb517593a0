"""The steps of a demo, in order. Each is a command as anybody would type it, run in this process: the demo knows nothing
that a user of the toolkit could not do."""

from __future__ import annotations

import contextlib
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import click

from constitutional.cli.demo.plan import Plan, label
from constitutional.errors import MissingExtraError, UsageError
from constitutional.whole import writing

RATES = {"dpo": 2.5e-4, "ipo": 5e-4, "hybrid": 3e-4}
"""Of learning. IPO pulls less the nearer a pair is to its target, and so takes more."""
LONGEST = 64
"""Tokens of an answer, as in the run file."""
NEEDED = ("torch", "transformers", "datasets", "accelerate", "peft", "trl")


@contextlib.contextmanager
def locked(plan: Plan) -> Iterator[None]:
    """One demo at a time in one folder."""
    from constitutional.ledger.folder import RunLock

    with writing(plan.out):
        if plan.out.is_file():
            raise UsageError(f"{plan.out} is a file: choose another folder with --out")
        plan.out.mkdir(parents=True, exist_ok=True)
    with RunLock(plan.out / ".lock"):
        yield


def run(plan: Plan, *, as_json: bool, quiet: bool) -> int:
    """0, or the exit code of the step that did not end well."""
    _check_installed()
    plan.begin()
    if plan.from_scratch:
        with _saying("the training of the base model"):
            _train_base(plan, quiet)
    size, sheet = plan.size, plan.out / "sheet.jsonl"
    more = ["--quiet"] if quiet else []
    steps: list[tuple[str, list[str]]] = [
        ("it answers, criticises, revises and judges itself", ["generate", str(plan.run_file), *more]),
        ("pairs for somebody to label", _sample(plan, str(sheet))),
        (f"its verdicts beside the truth of {size.labels} pairs",
         ["audit", str(plan.data), "--labels", str(plan.labels), *more]),
        ("it is trained on its own labels", _train(plan) + more),
        ("both models answer questions that neither has seen, and the truth judges", _evaluate(plan) + more),
        ("one page of it all", ["report", *map(str, (plan.data, plan.model, plan.evaluation)), "--out", str(plan.report)]),
    ]  # fmt: skip
    for number, (what, arguments) in enumerate(steps, 1):
        if arguments[0] == "audit":
            label(sheet, plan.labels)
        with _saying(f"step {number}/{len(steps)}, {arguments[0]}"):
            code = _step(f"{number}/{len(steps)}", what, arguments, as_json)
        if code:
            _say_stopped(f"step {number}/{len(steps)}, {arguments[0]}")
            return code
    return 0


@contextlib.contextmanager
def _saying(where: str) -> Iterator[None]:
    """Where a Ctrl-C stopped a step that has nothing of its own to say of it."""
    try:
        yield
    except (KeyboardInterrupt, click.Abort):
        _say_stopped(where)
        raise


def _say_stopped(where: str) -> None:
    click.echo(f"\nthe demo was stopped in {where}: the same command again goes on from there", err=True)


def _sample(plan: Plan, sheet: str) -> list[str]:
    return ["sample", str(plan.data), "--k", str(plan.size.labels), "--by", "random", "--out", sheet]


def _train(plan: Plan) -> list[str]:
    """Labels as certain: with so large a beta the soft ones of this judge, which are near ¾, would hardly move the model."""
    settings = {"loss": plan.loss, "labels": "hard", "beta": 1, "lr": RATES[plan.loss],
                "epochs": plan.size.epochs, "batch": 32, "micro-batch": 32, "seed": plan.seed,
                "out": plan.model}  # fmt: skip
    return ["train", str(plan.data), "--model", plan.base, *_flags(settings), "--cpu"]


def _evaluate(plan: Plan) -> list[str]:
    """The base is the run's own model; who looks at the answers is the oracle."""
    settings = {"tuned": plan.model, "prompts": plan.held_out, "responses": plan.size.answers, "max-tokens": LONGEST,
                "critic": "pocket-oracle", "judge": "pocket-oracle", "scorer": "pocket-correct", "seed": plan.seed,
                "out": plan.evaluation}  # fmt: skip
    return ["evaluate", str(plan.data), *_flags(settings)]


def _flags(settings: Mapping[str, object]) -> list[str]:
    return [word for name, value in settings.items() for word in (f"--{name}", str(value))]


def _step(number: str, what: str, arguments: list[str], as_json: bool) -> int:
    """What a command prints goes to stderr where stdout is for the result as JSON."""
    from constitutional.cli import cli

    began = time.monotonic()
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        click.echo(f"\n{number} {what}\n$ constitutional {shlex.join(arguments)}")
        result: Any = cli.main(arguments, prog_name="constitutional", standalone_mode=False)
        click.echo(f"({time.monotonic() - began:.0f} s)")
    return result if isinstance(result, int) else 0


def _train_base(plan: Plan, quiet: bool) -> None:
    from constitutional.cli.progress import duration
    from constitutional.pocket.scratch import from_scratch

    began = time.monotonic()

    def tell(line: str) -> None:
        click.echo(line, err=True)

    def progress(done: int, steps: int, loss: float) -> None:
        if not quiet and (done % 50 == 0 or done == steps):
            spent = time.monotonic() - began
            left = "" if done == steps else f", {duration(spent / done * (steps - done))} left"
            tell(f"base model: step {done:,}/{steps:,}, loss {loss:.3f}{left}")

    folder = from_scratch(plan.seed, tell, progress)
    tell(f"base model: {folder}")


def _check_installed() -> None:
    import importlib.util

    for name in NEEDED:
        if importlib.util.find_spec(name) is None:
            raise MissingExtraError.naming(name, "train")
