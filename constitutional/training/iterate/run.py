"""The order of rounds, in one folder: OUT/round-1, round-2, …, ``iterate.json``, a page, and ``best``.

The same command again goes on where it was; with more ``--rounds`` it adds some."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from constitutional.core.digest import digest
from constitutional.core.records import Prompt
from constitutional.errors import UsageError
from constitutional.ledger.folder import RunLock
from constitutional.saying import Say, silent
from constitutional.training.folder import read_json, write_json
from constitutional.training.iterate.decide import Round, best_round, next_ratio, why_stop
from constitutional.training.iterate.page import iterate_page
from constitutional.training.iterate.prompts import HELD_OUT_FILE, TRAIN_FILE, divide, write
from constitutional.training.iterate.rounds import BudgetError, InterruptedRoundError, RoundFolder, Turn, play
from constitutional.training.iterate.settings import IterateSettings
from constitutional.training.ready import check_here, hush
from constitutional.training.room import on_a_full_disk
from constitutional.whole import writing

FEW = 50
"""Held-out prompts. Published comparisons have hundreds."""
INTERRUPTED = "interrupted: the same command goes on from here"
FORMAT = 1
PLAN, RECORD, PAGE, BEST = "plan.json", "iterate.json", "index.html", "best"


@dataclass(frozen=True, slots=True)
class IterateResult:
    """``status``: ``complete``, ``interrupted``, ``budget``, or ``stopped`` by a guard."""

    status: str
    out: Path
    record: dict[str, Any]


def iterate(settings: IterateSettings, say: Say = silent) -> IterateResult:
    settings.check()
    hush()
    check_here(settings.train)
    kept, held = divide(settings)
    out = settings.out
    _begin(out, settings, kept, held)
    if len(held) < FEW:
        say(
            f"only {len(held):,} prompts are held out, one of which is {1 / len(held):.3f} of a rate: rounds can hardly be "
            "told apart; --held-out FILE brings more"
        )
    with RunLock(out / ".lock"), on_a_full_disk(out):
        write(out / TRAIN_FILE, kept)
        write(out / HELD_OUT_FILE, held)
        return _rounds(settings, kept, say)


def _begin(out: Path, settings: IterateSettings, kept: Sequence[Prompt], held: Sequence[Prompt]) -> None:
    """A folder is one series of rounds. What differs is named."""
    plan = {"format": FORMAT, **settings.plan()}
    plan["prompts"] = digest([[p.id, p.messages, p.tags] for p in kept])
    plan["held_out"] = digest([[p.id, p.messages, p.tags] for p in held])
    saved = read_json(out / PLAN)
    if saved is None:
        with writing(out):
            if out.is_file():
                raise UsageError(f"{out} is a file: choose another --out folder")
            if out.is_dir() and any(out.iterdir()):
                raise UsageError(f"{out} holds something else than rounds: choose another --out folder")
            out.mkdir(parents=True, exist_ok=True)
            write_json(out / PLAN, plan)
    elif saved != plan:
        changed = [name for name in plan if saved.get(name) != plan[name]]
        inner = saved.get("train", {})
        changed += [
            f"--{k.replace('_', '-')}: {inner.get(k)} → {v}" for k, v in plan["train"].items() if inner.get(k) != v
        ]
        lines = "\n".join(f"  {line}" for line in changed if line != "train")
        raise UsageError(f"{out} holds other rounds; changed since:\n{lines}\nchoose another --out")


def _rounds(settings: IterateSettings, prompts: list[Prompt], say: Say) -> IterateResult:
    done: list[Round] = []
    folders: dict[int, RoundFolder] = {}
    before, ratio, stopped, status = settings.model, settings.ratio.high, "", "complete"
    for number in range(1, settings.rounds + 1):
        folders[number] = RoundFolder(settings.out / f"round-{number}")
        found = folders[number].record
        if found is None:
            try:
                budget = _left(settings, [folders[known] for known in range(1, number)])
                share = 1.0 if number == 1 else ratio
                held_out = settings.out / HELD_OUT_FILE
                found = play(Turn(settings, number, share, dict(folders), before, prompts, held_out, budget, say))
            except InterruptedRoundError:
                return _end(settings, done, INTERRUPTED, "interrupted", say)
            except BudgetError as spent:
                return _end(settings, done, str(spent), "budget", say)
        if found is None:
            stopped = f"round {number} gave too few pairs to train on: nothing is left to learn from these prompts"
            break
        done.append(found)
        say(line_of(found, settings.measure))
        _keep(settings, done, "", "running")
        stopped = why_stop(done, settings.least)
        if stopped:
            status = "stopped" if any(fired["action"] == "stop" for fired in found.guards) else "complete"
            break
        before = str(folders[number].model.absolute())
        ratio = next_ratio(found, settings.ratio, settings.least, _worth(settings, done), settings.rounds - number)
    return _end(settings, done, stopped or f"all {settings.rounds} rounds are done", status, say)


def _left(settings: IterateSettings, before: Sequence[RoundFolder]) -> tuple[int | None, float | None]:
    """What is left of the run file's budgets, which hold for all rounds together."""
    run = settings.run
    spent = [folder.spent() for folder in before]
    calls, cost = sum(calls for calls, _ in spent), sum(cost for _, cost in spent)
    left_calls = None if run.max_calls is None else run.max_calls - calls
    left_cost = None if run.max_cost is None else run.max_cost - cost
    if (left_calls is not None and left_calls <= 0) or (left_cost is not None and left_cost <= 0):
        raise BudgetError(f"the budget of all rounds is used up ({calls:,} calls, cost {cost:.4g})")
    return left_calls, left_cost


def _worth(settings: IterateSettings, done: Sequence[Round]) -> float | None:
    """What is left of the budget in rounds like the last one."""
    run, last = settings.run, done[-1]
    found = []
    if run.max_calls is not None and last.calls:
        found.append((run.max_calls - sum(one.calls for one in done)) / last.calls)
    if run.max_cost is not None and last.cost:
        found.append((run.max_cost - sum(one.cost for one in done)) / last.cost)
    return min(found, default=None)


def _end(settings: IterateSettings, done: Sequence[Round], why: str, status: str, say: Say) -> IterateResult:
    record = _keep(settings, done, why, status)
    say(why)
    return IterateResult(status, settings.out, record)


def _keep(settings: IterateSettings, done: Sequence[Round], why: str, status: str) -> dict[str, Any]:
    best = best_round(done, settings.better)
    record = {
        "format": FORMAT,
        "status": status,
        "ended": why,
        "measure": settings.measure,
        "better": settings.better,
        "reference": settings.reference,
        "mix": list(settings.mix),
        "best": best,
        "model": settings.model if best == 0 else f"round-{best}/model",
        "rounds": [asdict(one) for one in done],
    }
    write_json(settings.out / RECORD, record)
    (settings.out / PAGE).write_text(iterate_page(record), encoding="utf-8")
    _name_best(settings.out, best)
    return record


def _name_best(out: Path, best: int) -> None:
    """``OUT/best`` is the best round's model; there is none while no round is better than the model before all."""
    link = out / BEST
    if link.is_symlink():
        link.unlink()
    elif link.is_dir():
        shutil.rmtree(link)
    if best == 0:
        return
    model = Path(f"round-{best}") / "model"
    try:
        link.symlink_to(model, target_is_directory=True)
    except OSError:  # a file system without links
        shutil.copytree(out / model, link)


def line_of(found: Round, measure: str) -> str:
    kl = "" if found.kl is None else f", KL {found.kl:.2f}"
    return (
        f"round {found.number}: {measure} {found.before['value']:.3g} → {found.after['value']:.3g} ({found.verdict}), "
        f"{sum(found.pairs.values()):,} pairs{kl}"
    )
