"""The order of things: read the data, settle the settings, then each stage from the model of the one before, then the
folder with its card. Nothing heavy is loaded before the data is known to be good.

What plugs in where: a loss or a setting that is chosen from the data in ``settle.py``; a stage in ``stages.py``; a guard
in ``guards/``; what the card says in ``card.py``."""

from __future__ import annotations

import logging
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from constitutional.errors import MissingExtraError, UsageError
from constitutional.training.card import card
from constitutional.training.data import TrainingData, read_data
from constitutional.training.feedback import Basis
from constitutional.training.folder import BOARD, CARD, LOG, RECORD, OutFolder, is_adapter, write_json
from constitutional.training.guards.watch import ended_by_guard
from constitutional.training.processes import is_first, is_launched, wait_for_all
from constitutional.training.room import on_a_full_disk
from constitutional.training.settings import ONLINE, TrainSettings, as_json
from constitutional.training.settle import settle
from constitutional.training.stages import Outcome, Work, run_stage
from constitutional.training.stop import Stop, listening
from constitutional.training.sweep import FIGURE, sweep
from constitutional.training.versions import versions

FORMAT = 1
IDENTITIES = ("model", "data", "reference", "reward")
"""Of the plan: what a training is made of, by digest."""
ADAPTER = "adapter"
"""Where a merged model keeps the adapter that went into it."""
BOARD_VARIABLE = "TENSORBOARD_LOGGING_DIR"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrainResult:
    """``status``: ``complete``, ``interrupted``, ``stopped`` by a guard, or ``done`` where it was complete before."""

    status: str
    out: Path
    record: dict[str, Any]


def quiet(_: str) -> None:
    """Says nothing."""


def train(settings: TrainSettings, say: Say = quiet) -> TrainResult:
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


def begin(settings: TrainSettings) -> tuple[OutFolder, Ready]:
    """Where the training goes and what it will be; raises whatever can be known to be wrong before it."""
    settings.check()
    folder = OutFolder(Path(settings.out).expanduser())
    if settings.fresh:
        folder = folder.fresh()
    folder.check()
    data = read_data(settings)
    hush()
    ready = prepare(settings, data)
    saved = folder.record or folder.plan
    if saved is not None:
        _check_same(folder, saved, ready)
    return folder, ready


@dataclass(frozen=True, slots=True)
class Ready:
    """Everything that is known before a model is loaded."""

    settings: TrainSettings
    data: TrainingData
    notes: list[str]
    plan: dict[str, Any]
    """What decides the result: another plan is another training."""


def prepare(settings: TrainSettings, data: TrainingData) -> Ready:
    """Settings without holes, and the plan's identity. Reads the model's configuration, not its weights."""
    from constitutional.training.trainers.policy import LONGEST, Start, context_of, load_config, load_tokenizer

    start = Start.of(settings.model, settings.revision)
    _check_machine(settings)
    adapter = settings.lora is not None or start.adapter is not None
    if settings.merge and not adapter:
        raise UsageError("--merge: there is an adapter to merge only with --lora RANK")
    settled, notes = settle(settings, data, adapter=adapter)
    context = context_of(load_config(start, settled), load_tokenizer(start, settled))
    if settings.max_length is not None and settings.max_length > context:
        raise UsageError(f"--max-length {settings.max_length}: the context of {start.name} has {context:,} tokens")
    settled = settled.but(max_length=settings.max_length or min(context, LONGEST))
    plan: dict[str, Any] = {
        "format": FORMAT,
        "settings": settled.plan() | {"source": data.about.name, "model": start.name},
        "model": start.version(),
        "data": data.digest(),
    }
    if settings.reference_model is not None:
        reference = Start.of(settings.reference_model)
        plan["reference"] = reference.version()
        plan["settings"]["reference_model"] = reference.name
    if settings.main in ONLINE:
        basis = Basis.of(settings.run, settings.source)
        plan["reward"] = basis.digest()
        plan["settings"]["run"] = basis.name
    return Ready(settled, data, notes, plan)


def hush() -> None:
    """Libraries speak of their own affairs; what matters is said by us."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import datasets
        import transformers
        import trl  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError.naming(error.name or "trl", "train") from error
    transformers.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    for name in ("trl", "accelerate", "peft", "vllm"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for category in (FutureWarning, UserWarning):  # of versions of vLLM, which nobody here uses through TRL
        warnings.filterwarnings("ignore", category=category, module="trl")


def _check_machine(settings: TrainSettings) -> None:
    """What the settings need and this machine has not."""
    import importlib.util

    import torch

    for name in settings.report_to:
        packages = {"tensorboard": ("tensorboard", "tensorboardX")}.get(name, (name,))
        if not any(importlib.util.find_spec(package) for package in packages):
            raise MissingExtraError(f"--report-to {name}: {packages[0]} is not installed: pip install {packages[0]}")
    if settings.liger:
        if importlib.util.find_spec("liger_kernel") is None:
            raise MissingExtraError("--liger: liger-kernel is not installed: pip install liger-kernel")
        if settings.cpu or not torch.cuda.is_available():
            raise UsageError("--liger: its kernels need a GPU, and there is none here")
    alone = settings.launcher is None and not is_launched()
    if alone and torch.cuda.is_available() and not settings.cpu and torch.cuda.device_count() > 1:
        raise UsageError(
            f"{torch.cuda.device_count()} GPUs are visible: use them all with --launcher accelerate --config fsdp2, or "
            "make one visible with CUDA_VISIBLE_DEVICES=0"
        )


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
    if not any((folder.path / name).is_file() for name in ("config.json", "adapter_config.json")):
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


def _check_same(folder: OutFolder, saved: dict[str, Any], ready: Ready) -> None:
    """A folder is one training. What differs is named."""
    old, new = saved.get("settings", {}), ready.plan["settings"]
    changed = [f"{name}: {old.get(name)} → {new[name]}" for name in new if old.get(name) != new[name]]
    changed += [f"the {name} itself" for name in IDENTITIES if saved.get(name) != ready.plan.get(name)]
    if changed:
        lines = "\n".join(f"  {line}" for line in changed)
        raise UsageError(
            f"{folder.path} holds another training; changed since:\n{lines}\n"
            "add --fresh to train in a new folder beside it, or choose another --out"
        )
