"""The output folder. It is there when the model in it is finished, and not before.

Until then everything is in ``OUT.part`` beside it: the plan, the checkpoints, the log, each stage's model. The last act
is one rename. So no reader ever meets half a model, and the same command again knows what is left to do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from constitutional.errors import UsageError
from constitutional.ledger.folder import RunLock
from constitutional.training.processes import is_first, wait_for_all
from constitutional.whole import write_whole, writing

PLAN = "plan.json"
RECORD = "training.json"
LOG = "log.jsonl"
CARD = "README.md"
BOARD = "runs"


class OutFolder:
    def __init__(self, path: Path) -> None:
        self.path = path if path.name else path.absolute()

    @property
    def part(self) -> Path:
        return self.path.with_name(f"{self.path.name}.part")

    @property
    def record(self) -> dict[str, Any] | None:
        """What a finished training wrote of itself."""
        return read_json(self.path / RECORD)

    @property
    def plan(self) -> dict[str, Any] | None:
        """What the training that began here set out to do."""
        return read_json(self.part / PLAN)

    def fresh(self) -> OutFolder:
        """This folder if nothing is here, else the first free ``NAME-2``, ``NAME-3``, …: nothing is ever deleted."""
        folder, number = self, 1
        while folder.path.exists() or folder.part.exists():
            number += 1
            folder = OutFolder(self.path.with_name(f"{self.path.name}-{number}"))
        return folder

    def check(self) -> None:
        """Whether a training may write here."""
        if self.path.is_dir() and self.record is None and any(self.path.iterdir()):
            raise UsageError(f"{self.path} holds something else than a training: choose another --out folder")
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"{self.path} is a file: choose another --out folder")

    def begin(self, plan: dict[str, Any]) -> None:
        with writing(self.path):
            self.part.mkdir(parents=True, exist_ok=True)
            write_json(self.part / PLAN, plan)

    def lock(self) -> RunLock:
        with writing(self.path):
            self.part.mkdir(parents=True, exist_ok=True)
        return RunLock(self.part / ".lock")

    def stage(self, number: int, name: str) -> StageFolder:
        return StageFolder(self.part / f"{number}-{name}")

    def finish(self, model: Path) -> None:
        """``model`` is a folder inside ``part``, complete with card and record."""
        if self.path.is_dir():
            old = self.path.with_name(f"{self.path.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            self.path.rename(old)
            model.rename(self.path)
            shutil.rmtree(old, ignore_errors=True)
        else:
            model.rename(self.path)
        shutil.rmtree(self.part, ignore_errors=True)


class StageFolder:
    """One stage's place: checkpoints while it runs, ``model`` and ``outcome.json`` when it is done."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def log(self) -> Path:
        return self.path / LOG

    @property
    def board(self) -> Path:
        """TensorBoard's files. The library would put them where checkpoints are, which do not last."""
        return self.path / BOARD

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def outcome(self) -> dict[str, Any] | None:
        return read_json(self.path / "outcome.json")

    def finish(self, outcome: dict[str, Any]) -> None:
        """The checkpoints have served: the model is saved."""
        write_json(self.path / "outcome.json", outcome)
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def newest_checkpoint(self) -> Path | None:
        """The newest that was written to its end. One that was not is removed: the disk may be what was missing."""
        if is_first():
            self._remove_broken()
        wait_for_all()
        whole = [path for path in self.checkpoints.glob("checkpoint-*") if (path / COMPLETE).is_file()]
        return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)

    def _remove_broken(self) -> None:
        for path in self.checkpoints.glob("checkpoint-*"):
            if not (path / COMPLETE).is_file():
                shutil.rmtree(path, ignore_errors=True)


COMPLETE = ".complete"
"""The mark of a checkpoint that was written to its end."""


def write_json(path: Path, value: Any) -> None:
    write_whole(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """None where there is none, or half of one."""
    if not path.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except ValueError:
        return None
    return found
