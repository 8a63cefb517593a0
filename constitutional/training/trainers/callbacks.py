"""What listens to a trainer: the log, the mark of a finished checkpoint, progress on stderr, Ctrl-C."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from constitutional.saying import Say
from constitutional.training.folder import COMPLETE
from constitutional.training.guards.watch import FIRED_BY
from constitutional.training.processes import any_process, wait_for_all
from constitutional.training.stop import INTERRUPTED, Stop


class LogFile(TrainerCallback):  # type: ignore[misc]
    """Every logged line as JSON, as it comes. After a resume the file holds what an uninterrupted training would have."""

    def __init__(self, path: Path, stage: str) -> None:
        self._path = path
        self._stage = stage

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.is_world_process_zero:
            lines = [self._line(entry) for entry in state.log_history]
            self._path.write_text("".join(lines), encoding="utf-8")

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.is_world_process_zero and state.log_history:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(self._line(state.log_history[-1]))

    def _line(self, entry: dict[str, Any]) -> str:
        """A number that is none is null: NaN is no JSON."""
        clean = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in entry.items()}
        return json.dumps({"stage": self._stage} | clean) + "\n"


class CheckpointMark(TrainerCallback):  # type: ignore[misc]
    """A checkpoint counts when its last byte is written: a process that dies while writing leaves one without a mark."""

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        wait_for_all()
        if state.is_world_process_zero:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / COMPLETE).touch()


class Interruption(TrainerCallback):  # type: ignore[misc]
    """Ends the training at the next step when somebody asks, in any process: with a checkpoint where it is to go on."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if any_process(self._stop.interrupted):
            self._stop.because = INTERRUPTED
            control.should_save = True
        elif any_process(self._stop.asked):
            self._stop.ask(f"{FIRED_BY}of another process")
        control.should_training_stop = control.should_training_stop or self._stop.asked


class Progress(TrainerCallback):  # type: ignore[misc]
    """A line now and then: the step, the loss, held-out accuracy, speed, time left."""

    EVERY = 5.0

    def __init__(self, say: Say, stage: str, rows_per_step: int) -> None:
        self._say = say
        self._stage = stage
        self._rows = rows_per_step
        self._began, self._from, self._last = 0.0, 0, 0.0
        self._held_out = ""

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._began, self._from = time.monotonic(), state.global_step

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        found = metrics or {}
        words = [f"held-out loss {found['eval_loss']:.4f}"] if "eval_loss" in found else []
        if "eval_rewards/accuracies" in found:
            words.append(f"accuracy {found['eval_rewards/accuracies']:.3f}")
        self._held_out = ", ".join(words)
        self._tell(state, {})

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        if "loss" in (logs or {}) and time.monotonic() - self._last >= self.EVERY:
            self._tell(state, logs or {})

    def _tell(self, state: TrainerState, logs: dict[str, float]) -> None:
        if not state.is_world_process_zero:
            return
        self._last = time.monotonic()
        passed, steps = self._last - self._began, state.global_step - self._from
        words = [f"{self._stage} {state.global_step}/{state.max_steps}"]
        words += [f"loss {logs['loss']:.4f}"] if "loss" in logs else []
        words += [self._held_out] if self._held_out else []
        if steps > 0 and passed > 0:
            left = (state.max_steps - state.global_step) * passed / steps
            words += [f"{steps * self._rows / passed:.1f} rows/s", f"{int(left // 60)}:{int(left % 60):02} left"]
        self._say("  ".join(words))
