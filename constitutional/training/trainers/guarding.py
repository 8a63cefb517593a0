"""Feeds the guards from a trainer's log, and does what they say: a line for people, or the end of the training."""

from __future__ import annotations

from math import isfinite
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from constitutional.training.guards.watch import FIRED_BY, Watch
from constitutional.training.stages import Work
from constitutional.training.trainers.sampling import Sampler


class Guarding(TrainerCallback):  # type: ignore[misc]
    """Sees every line in order, those of before a resume first. The first process judges and speaks; the others hear of a
    stop from ``Interruption``, which stands after this in the list."""

    def __init__(self, watch: Watch, work: Work, trainer: Any, sampler: Sampler | None) -> None:
        self._watch = watch
        self._work = work
        self._trainer = trainer
        self._sampler = sampler
        self._over = False

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        for line in state.log_history if state.is_world_process_zero else ():
            self._judge(line, aloud=False)

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.is_world_process_zero and state.log_history:
            self._judge(state.log_history[-1], aloud=True)

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._sampler is None or not state.is_world_process_zero:
            return
        try:
            figures = self._sampler.look()
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            self._sampler = None
            self._work.say(
                "no memory for samples beside the training: the guards kl, length and repetition see nothing"
            )
        else:
            self._trainer.log(figures)

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._over = True

    def _judge(self, line: dict[str, Any], *, aloud: bool) -> None:
        for spec, said in self._watch.see(line):
            ends = spec.stops and not self._over
            if aloud:
                self._work.say(
                    f"guard {spec.name} at step {line['step']}: {said}{'; the training ends here' if ends else ''}"
                )
            if ends:
                self._work.stop.ask(f"{FIRED_BY}{spec.name}: {said}")


class Careful:
    """Before a TRL trainer in a class's bases: a step whose gradient is no number is not taken. Every process knows the
    same norm, so they agree."""

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)  # type: ignore[misc]
        if not isfinite(float(norm)):
            model.zero_grad()  # to None: the optimizer passes over every weight
        return norm
