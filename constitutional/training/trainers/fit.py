"""Running a trainer to its end: from the newest checkpoint, through interruptions, with errors that say what to do."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback

from constitutional.errors import RunStoppedError
from constitutional.models.local.loading import in_one_line
from constitutional.training.guards.spec import specs
from constitutional.training.guards.watch import Watch, ended_by_guard
from constitutional.training.stages import Outcome, Work
from constitutional.training.tokens import TokenRows
from constitutional.training.trainers.callbacks import CheckpointMark, Interruption, LogFile, Progress
from constitutional.training.trainers.guarding import Guarding
from constitutional.training.trainers.sampling import Sampler


def fit(trainer: Any, work: Work, rows: TokenRows, checkpoint: Path | None, sampler: Sampler | None = None) -> Outcome:
    """Trains, looks at the held-out rows once more, and saves: ``work.folder`` holds a finished stage afterwards."""
    settings = work.settings
    watch = Watch.of(specs(settings.guards), rows.answer, len(rows.held_out))
    trainer.remove_callback(PrinterCallback)
    for callback in callbacks_for(work, Guarding(watch, work, trainer, sampler)):
        trainer.add_callback(callback)
    began = time.monotonic()
    with explained(work, trainer):
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        state = trainer.state
        ended_early = state.global_step < state.max_steps or ended_by_guard(work.stop.because)
        stopped = work.stop.because if ended_early else ""
        if ended_early and not stopped:
            stopped = f"no better held-out accuracy in {settings.patience} evaluations"
        after: dict[str, float] = {}
        if not work.stop.interrupted or not ended_early:
            after = _numbers(_last_look(trainer))
            save(trainer, work)
    evaluated = [entry for entry in trainer.state.log_history if "eval_loss" in entry]
    return Outcome(
        stage=work.stage,
        steps=state.global_step,
        rows=len(rows.train),
        held_out=len(rows.held_out),
        tokens=rows.tokens,
        dropped=dict(rows.dropped),
        notes=[f"{rows.cut:,} rows were cut at {settings.max_length:,} tokens"] if rows.cut else [],
        before=_numbers(evaluated[0]) if evaluated and evaluated[0]["step"] == 0 else {},
        after=after | _last_divergence(trainer.state.log_history),
        seconds=time.monotonic() - began,
        stopped=stopped,
        tables=[watch.table(work.stage)],
        guards=watch.fired,
    )


def callbacks_for(work: Work, guarding: Guarding) -> list[TrainerCallback]:
    """In this order: what a guard asks of ``work.stop`` is heard by ``Interruption``."""
    found = [LogFile(work.folder.log, work.stage), CheckpointMark()]
    if work.settings.patience:
        found.append(EarlyStoppingCallback(early_stopping_patience=work.settings.patience))
    return [*found, guarding, Interruption(work.stop), Progress(work.say, work.stage, work.settings.batch)]


def save(trainer: Any, work: Work) -> None:
    """The model, or the adapter alone, with its tokenizer. Every process of a distributed training takes part."""
    part = work.folder.path / "model.part"
    trainer.save_model(str(part))
    if trainer.is_world_process_zero():
        (part / "training_args.bin").unlink(missing_ok=True)
        (part / "README.md").unlink(missing_ok=True)
        trainer.processing_class.save_pretrained(part)
        part.rename(work.folder.model)
    trainer.accelerator.wait_for_everyone()


def _last_look(trainer: Any) -> Mapping[str, Any]:
    """At the held-out rows, unless these very weights were looked at already."""
    state = trainer.state
    seen = [entry for entry in state.log_history if "eval_loss" in entry and entry["step"] == state.global_step]
    if seen and not trainer.args.load_best_model_at_end:
        last: Mapping[str, Any] = seen[-1]
        return last
    looked: Mapping[str, Any] = trainer.evaluate()
    return looked


def _last_divergence(lines: list[dict[str, Any]]) -> dict[str, float]:
    """Of the samples that were drawn last, if any were."""
    found = [line["kl"] for line in lines if "kl" in line]
    return {"kl": found[-1]} if found else {}


class explained:  # noqa: N801
    """Turns what goes wrong in a training into one message with a way out."""

    def __init__(self, work: Work, trainer: Any) -> None:
        self._work = work
        self._trainer = trainer

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, torch.OutOfMemoryError):
            raise RunStoppedError(
                f"out of memory at step {self._trainer.state.global_step}: lower --micro-batch "
                f"(now {self._work.settings.micro_batch}; the result is the same) or --max-length, add "
                "--gradient-checkpointing, or train an adapter with --lora 16"
            ) from error
        if isinstance(error, Exception) and (reporter := _reporter(error, self._work.settings.report_to)):
            offline = ", set WANDB_MODE=offline" if reporter == "wandb" else ""
            raise RunStoppedError(
                f"--report-to {reporter}: {in_one_line(error)}; mend that{offline}, or leave it out: the same command "
                "goes on"
            ) from error


def _reporter(error: Exception, names: Sequence[str]) -> str | None:
    """Which of those that a training reports to has failed, and not the training."""
    library = type(error).__module__.partition(".")[0]
    return library if library in names else None


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    skipped = ("runtime", "per_second", "epoch", "step")
    return {
        name.removeprefix("eval_"): float(value)
        for name, value in metrics.items()
        if isinstance(value, int | float) and not name.endswith(skipped)
    }
