"""What every stage works with: where it starts, its tokenizer and device, and what all trainers are configured with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import PartialState
from datasets import Dataset

from constitutional.training.schedule import Schedule
from constitutional.training.stages import Work
from constitutional.training.tokens import TokenRows
from constitutional.training.trainers.arguments import arguments
from constitutional.training.trainers.policy import Device, Start, check_vocabulary, load_model, load_tokenizer


@dataclass(frozen=True, slots=True)
class Bench:
    work: Work
    start: Start
    tokenizer: Any
    adapter: bool
    """Whether an adapter is trained, and not the model."""
    device: Device
    checkpoint: Path | None
    """To go on from."""

    @classmethod
    def of(cls, work: Work, *, whole: bool = False) -> Bench:
        """``whole``: an adapter that the stage starts from is worked into its model."""
        settings = work.settings
        start = Start.of(work.start, settings.revision)
        adapter = settings.lora is not None or (start.adapter is not None and not whole)
        return cls(
            work,
            start,
            load_tokenizer(start, settings),
            adapter,
            Device.of(settings, adapter=adapter),
            work.folder.newest_checkpoint(),
        )

    @property
    def processes(self) -> int:
        return int(PartialState(cpu=not self.device.cuda).num_processes)

    def policy(self) -> Any:
        """The model that is trained, with its adapter."""
        return self.checked(load_model(self.start, self.work.settings, self.device))

    def checked(self, model: Any) -> Any:
        check_vocabulary(model, self.tokenizer, self.start.name)
        return model

    def schedule(self, rows: TokenRows, epochs: float) -> Schedule:
        return Schedule.of(self.work.settings, len(rows.train), len(rows.held_out), epochs, self.processes)

    def arguments(self, schedule: Schedule, lr: float | None, *, best: str) -> dict[str, Any]:
        """``best``: the measure that early stopping looks at."""
        folder, resumed = self.work.folder.checkpoints, self.checkpoint is not None
        return arguments(self.work.settings, schedule, self.device, folder, lr=lr or 0.0, best=best, resumed=resumed)

    def data(self, rows: TokenRows, columns: Callable[[Any], Mapping[str, Any]] = dict) -> dict[str, Any]:
        """The rows and the tokenizer, as trainers are given them; ``columns`` names them as this trainer does."""
        return {
            "train_dataset": Dataset.from_list([columns(row) for row in rows.train]),
            "eval_dataset": Dataset.from_list([columns(row) for row in rows.held_out]),
            "processing_class": self.tokenizer,
        }
