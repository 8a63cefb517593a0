"""The order of things: read the data, settle the settings, then each stage from the model of the one before, then the
folder with its card. Nothing heavy is loaded before the data is known to be good.

What plugs in where: what is checked before a training begins in ``ready.py``; a loss or a setting that is chosen from the
data in ``settle.py``; a stage in ``stages.py``; a guard in ``guards/``; what the card says in ``card.py``."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from constitutional.errors import UsageError
from constitutional.models.local.away import loading
from constitutional.models.local.there import is_adapter
from constitutional.saying import Say, silent
from constitutional.training.card import card
from constitutional.training.folder import BOARD, CARD, LOG, RECORD, OutFolder, write_json
from constitutional.training.guards.watch import ended_by_guard
from constitutional.training.processes import is_first, wait_for_all
from constitutional.training.ready import Ready, begin
from constitutional.training.room import on_a_full_disk
from constitutional.training.settings import TrainSettings, as_json
from constitutional.training.stages import Outcome, Work, run_stage
from constitutional.training.stop import Stop, listening
from constitutional.training.sweep import FIGURE, sweep
from constitutional.training.versions import versions

ADAPTER = "adapter"
"""Where a merged model keeps the adapter that went into it."""
BOARD_VARIABLE = "TENSORBOARD_LOGGING_DIR"


@dataclass(frozen=True, slots=True)
class TrainResult:
    """``status``: ``complete``, ``interrupted``, ``stopped`` by a guard, or ``done`` where it was complete before."""

    status: str
    out: Path
    record: dict[str, Any]


@loading()
def train(settings: TrainSettings, say: Say = silent) -> TrainResult:
    """Trains, resumes, or finds that it is done. ``say`` gets lines for people."""
    folder, ready = begin(settings)
    if folder.record is not None:
        return _again(folder, ready)
    with folder.lock() if is_first() else nullcontext(), on_a_full_disk(folder.part):
        if is_first():
            folder.begin(ready.plan)
        stop = Stop()
        for note in ready.notes if is_first() else ():
            say(note)
        with listening(stop, say):
            outcomes = _stages(folder, ready, stop, say)
        if stop.interrupted and not by_guard(outcomes) and len(outcomes) < len(ready.settings.stages):
            return TrainResult("interrupted", folder.path, ready.plan)
        record = _record(ready, outcomes)
        if is_first():
            _finish(folder, ready, outcomes, record)
        wait_for_all()
    return TrainResult("stopped" if by_guard(outcomes) else "complete", folder.path, record)


def by_guard(outcomes: Sequence[Outcome]) -> bool:
    """Whether a guard ended the training. What there is then is finished: the folder says why, and no stage follows."""
    return any(ended_by_guard(outcome.stopped) for outcome in outcomes)


def stopped_by_guard(record: dict[str, Any]) -> bool:
    """The same of a finished training's record."""
    return any(ended_by_guard(stage["stopped"]) for stage in record.get("stages", ()))


def _stages(folder: OutFolder, ready: Ready, stop: Stop, say: Say) -> list[Outcome]:
    outcomes: list[Outcome] = []
    start = ready.settings.model
    for number, name in enumerate(ready.settings.stages, 1):
        place = folder.stage(number, name)
        saved = place.outcome
        outcome: Outcome | None
        if saved is not None:
            outcome = Outcome(**saved)
        else:
            place.path.mkdir(parents=True, exist_ok=True)
            cache = ready.data.beside or folder.path.absolute().parent
            work = Work(name, ready.settings, ready.data, place, start, cache / ".cache", stop, say)
            with _board(work):
                outcome = _swept(work) if name == "dpo" and ready.settings.sweep else run_stage(work)
            if outcome is None:
                break
            if stop.interrupted and outcome.stopped:
                say(f"interrupted at step {outcome.steps}: run the same command again to go on from there")
                break
            if is_first():
                place.finish(asdict(outcome))
            wait_for_all()
        outcomes.append(outcome)
        if by_guard(outcomes):
            break
        start = str(place.model)
    return outcomes


@contextmanager
def _board(work: Work) -> Iterator[None]:
    """Where TensorBoard's files go can only be said by a variable. The user's own comes first."""
    ours = "tensorboard" in work.settings.report_to and BOARD_VARIABLE not in os.environ
    if ours:
        os.environ[BOARD_VARIABLE] = str(work.folder.board)
    try:
        yield
    finally:
        if ours:
            del os.environ[BOARD_VARIABLE]


def _swept(work: Work) -> Outcome | None:
    """The stage with the β that short trainings found best; None where they were interrupted."""
    from constitutional.training.trainers.policy import Start

    choice = sweep(work, Start.of(work.start, work.settings.revision).version())
    if choice is None:
        return None
    own = work.settings.ipo_beta
    settings = work.settings.but(beta=choice.beta, ipo_beta=choice.beta if own is None else own)
    outcome = run_stage(replace(work, settings=settings))
    return replace(
        outcome,
        notes=[choice.why, *outcome.notes],
        tables=[choice.table, *outcome.tables],
        found={"beta": settings.beta, "ipo_beta": settings.ipo_beta},
    )


def _record(ready: Ready, outcomes: list[Outcome]) -> dict[str, Any]:
    return {
        **ready.plan,
        "settings": as_json(ready.settings) | ready.plan["settings"],
        "rows": ready.data.counts(),
        "notes": ready.notes,
        "stages": [asdict(outcome) for outcome in outcomes],
        "versions": versions(),
    }


def _finish(folder: OutFolder, ready: Ready, outcomes: list[Outcome], record: dict[str, Any]) -> None:
    """Card, record and log into the last stage's model; earlier stages' models into folders of their own; then in place."""
    settings = ready.settings
    places = [folder.stage(number, outcome.stage) for number, outcome in enumerate(outcomes, 1)]
    model = places[-1].model
    if settings.merge and is_adapter(model):
        merged = places[-1].path / "merged"
        _merge(model, merged, settings)
        model.rename(merged / ADAPTER)
        model = merged
    for place, outcome in zip(places[:-1], outcomes, strict=False):
        place.model.rename(model / outcome.stage)
    for place, outcome in zip(places, outcomes, strict=True):
        if (place.path / FIGURE).is_file():
            shutil.copy2(place.path / FIGURE, model / FIGURE)
        if place.board.is_dir():
            shutil.copytree(place.board, model / BOARD / outcome.stage)
    (model / LOG).write_text("".join(place.log.read_text("utf-8") for place in places), encoding="utf-8")
    (model / CARD).write_text(card(ready.data, settings, record, model / LOG), encoding="utf-8")
    write_json(model / RECORD, record)
    folder.finish(model)


def _merge(adapter: Path, merged: Path, settings: TrainSettings) -> None:
    from constitutional.training.trainers.policy import merge_adapter

    shutil.rmtree(merged, ignore_errors=True)
    merge_adapter(adapter, merged, settings)


def _again(folder: OutFolder, ready: Ready) -> TrainResult:
    """Nothing is left to do, unless it is to merge the adapter after all."""
    record = folder.record or {}
    if not ((folder.path / "config.json").is_file() or is_adapter(folder.path)):
        raise UsageError(f"{folder.path} is finished, and its model is gone: --fresh trains again in a new folder")
    if not (ready.settings.merge and is_adapter(folder.path)):
        return TrainResult("done", folder.path, record)
    with folder.lock():
        merged = folder.part / "merged"
        _merge(folder.path, merged, ready.settings)
        for path in folder.path.iterdir():
            if path.name.startswith("adapter_"):
                (merged / ADAPTER).mkdir(exist_ok=True)
                shutil.copy2(path, merged / ADAPTER)
            elif path.is_dir():
                shutil.copytree(path, merged / path.name)
        shutil.copy2(folder.path / LOG, merged / LOG)
        record["settings"]["merge"] = True
        (merged / CARD).write_text(card(ready.data, ready.settings, record, merged / LOG), encoding="utf-8")
        write_json(merged / RECORD, record)
        folder.finish(merged)
    return TrainResult("complete", folder.path, record)
