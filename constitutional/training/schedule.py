"""How many steps, and when to look, to write and to log."""

from __future__ import annotations

import math
from dataclasses import dataclass

from constitutional.training.settings import TrainSettings

MOST_EVALUATIONS, FEWEST_EVALUATIONS, CHECKPOINTS = 20, 4, 5
EVALUATION_SHARE = 0.2
"""Of the time of training, about: a held-out row costs a third of a training row."""
LOGGED = 2000


@dataclass(frozen=True, slots=True)
class Schedule:
    steps: int
    accumulate: int
    micro_batch: int
    eval_every: int
    save_every: int
    log_every: int

    @classmethod
    def of(cls, settings: TrainSettings, rows: int, held_out: int, epochs: float, processes: int = 1) -> Schedule:
        micro = min(settings.micro_batch, max(1, math.ceil(rows / processes)))
        accumulate = max(1, round(settings.batch / (micro * processes)))
        per_epoch = math.ceil(math.ceil(rows / (micro * processes)) / accumulate)
        steps = settings.max_steps or max(1, math.ceil(epochs * per_epoch))
        passes = steps * settings.batch
        looks = EVALUATION_SHARE * 3 * passes / max(1, held_out)
        looks = min(MOST_EVALUATIONS, max(FEWEST_EVALUATIONS, int(looks)))
        log_every = max(1, steps // LOGGED)
        eval_every = settings.eval_every or max(1, steps // looks)
        save_every = settings.save_every or max(1, math.ceil(steps / CHECKPOINTS))
        if settings.patience:  # the best is only kept where it is written
            save_every = eval_every * max(1, round(save_every / eval_every))
        return cls(steps, accumulate, micro, eval_every, _multiple(save_every, log_every), log_every)

    @classmethod
    def online(cls, settings: TrainSettings, prompts: int, held_out: int, processes: int = 1) -> Schedule:
        """In answers, of which each prompt has as many as are compared. A step takes no more prompts than there are."""
        batch = min(settings.batch // settings.generations, prompts) * settings.generations
        fitting = settings.but(batch=batch, micro_batch=math.gcd(settings.micro_batch, batch))
        return cls.of(fitting, prompts * settings.generations, held_out, settings.epochs, processes)


def _multiple(of: int, unit: int) -> int:
    """A checkpoint between two log lines would split a mean."""
    return max(unit, of // unit * unit)
