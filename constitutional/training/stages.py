"""The stages of a training by name. Each is a module that is imported when its turn comes, with ``run(work)``."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from constitutional.saying import Say
from constitutional.training.data import TrainingData
from constitutional.training.folder import StageFolder
from constitutional.training.settings import TrainSettings
from constitutional.training.stop import Stop

STAGES = {
    "sft": "constitutional.training.trainers.imitation",
    "dpo": "constitutional.training.trainers.pairs",
    "reward": "constitutional.training.trainers.reward",
    "grpo": "constitutional.training.trainers.online",
    "rloo": "constitutional.training.trainers.online",
}
OTHER_LOSSES = {
    "orpo": "constitutional.training.trainers.orpo",
    "kto": "constitutional.training.trainers.kto",
}
"""Losses of the stage ``dpo`` that have a trainer of their own."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a stage gets."""

    stage: str
    settings: TrainSettings
    """Settled: nothing that the stage needs is None."""
    data: TrainingData
    folder: StageFolder
    start: str
    """The model that it starts from, as ``--model`` would name it."""
    cache: Path
    """For what depends on the data and a model alone, and may be used again."""
    stop: Stop
    say: Say


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a stage did, as JSON: it is kept beside the stage's model, and the card is written from it."""

    stage: str
    steps: int
    rows: int
    held_out: int
    tokens: int
    dropped: Mapping[str, int]
    notes: list[str]
    before: Mapping[str, float]
    """On the held-out rows, before the first step; empty where the stage was resumed without it."""
    after: Mapping[str, float]
    seconds: float
    stopped: str = ""
    """Why it ended before its last step; ``interrupted`` leaves no model."""
    tables: list[dict[str, Any]] = field(default_factory=list)
    """More for the card: ``title``, ``head`` and ``rows``."""
    guards: list[dict[str, Any]] = field(default_factory=list)
    """Those that fired, in order."""
    found: dict[str, Any] = field(default_factory=dict)
    """Settings that the stage itself found, by name."""


def run_stage(work: Work) -> Outcome:
    """In ``work.folder``, going on from its newest checkpoint; the model is in ``work.folder.model`` afterwards."""
    module = OTHER_LOSSES.get(work.settings.loss) if work.stage == "dpo" else None
    outcome: Outcome = importlib.import_module(module or STAGES[work.stage]).run(work)
    return outcome
