"""When each guard fires. A guard sees every line of a training's log in order and remembers what it needs of it; so what
it says after a resume, which replays the log, is what it would have said without.

A line has ``loss`` and ``grad_norm`` (a training step), ``eval_…`` (the held-out rows), ``kl`` or ``samples/…``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite, sqrt
from statistics import fmean, median
from typing import Any, NamedTuple, Protocol

Line = Mapping[str, Any]

FALL = 0.02
"""Of held-out accuracy under its best, from which on it falls; or, with few rows, ``NOISE`` standard errors."""
NOISE = 2.0
LOOKS = 2
"""Evaluations in a row that show a fall: a small held-out set moves by itself."""
LEAST_MARGIN = 0.1
"""A best margin below this is none that could collapse."""
STEADY = 10
"""Gradient norms that must be known before one can stand out."""
ACCURACY, MARGIN = "rewards/accuracies", "rewards/margins"
CHOSEN, REJECTED = "logps/chosen", "logps/rejected"


class Finding(NamedTuple):
    """``figure`` is what stands beside the threshold; ``said`` is None where that is within it."""

    figure: float
    said: str | None


class Rule(Protocol):
    def see(self, line: Line) -> Finding | None:
        """None where the line has nothing that this guard looks at."""
        ...


@dataclass(slots=True)
class Divergence:
    threshold: float

    def see(self, line: Line) -> Finding | None:
        kl = _number(line, "kl")
        if kl is None:
            return None
        over = f"KL to the reference {kl:.1f} nats an answer, over {self.threshold:g}"
        return Finding(kl, over if kl > self.threshold else None)


@dataclass(slots=True)
class Memorising:
    """Training rows are told apart as well as can be, and held-out ones ever less."""

    threshold: float
    held_out: int = 0
    """How many held-out rows there are; 0: not known."""
    _training: list[float] = field(default_factory=list)
    _best: float = 0.0
    _falling: int = 0

    def see(self, line: Line) -> Finding | None:
        training, held_out = _number(line, ACCURACY), _number(line, f"eval_{ACCURACY}")
        if training is not None:
            self._training.append(training)
        if held_out is None:
            return None
        seen, self._training = self._training, []
        self._falling = self._falling + 1 if held_out < self._best - self._least() else 0
        self._best = max(self._best, held_out)
        if not seen:
            return None
        known = fmean(seen)
        falls = known > self.threshold and self._falling >= LOOKS
        said = f"training accuracy {known:.3f} while held-out accuracy fell from {self._best:.3f} to {held_out:.3f}"
        return Finding(known, said if falls else None)

    def _least(self) -> float:
        """By how much an accuracy must have fallen to have fallen: with ten rows, one of them is nothing."""
        if not self.held_out:
            return FALL
        best = (self._best * self.held_out + 1) / (self.held_out + 2)
        return max(FALL, NOISE * sqrt(best * (1 - best) / self.held_out))


@dataclass(slots=True)
class Sinking:
    """Both answers grow less likely: what the policy says instead is neither. ``tokens`` are those of an answer, so that
    long answers may sink further."""

    threshold: float
    tokens: float
    _first: tuple[float, float] | None = None

    def see(self, line: Line) -> Finding | None:
        chosen, rejected = _number(line, f"eval_{CHOSEN}"), _number(line, f"eval_{REJECTED}")
        if chosen is None or rejected is None:
            return None
        if self._first is None:
            self._first = (chosen, rejected)
            return None
        sunk = [(first - now) / self.tokens for first, now in zip(self._first, (chosen, rejected), strict=True)]
        both = min(sunk)
        said = (
            f"chosen and rejected have sunk by {sunk[0]:.2f} and {sunk[1]:.2f} nats a token, both over "
            f"{self.threshold:g}"
        )
        return Finding(both, said if both > self.threshold else None)


@dataclass(slots=True)
class Collapse:
    threshold: float
    _best: float = 0.0
    _fallen: int = 0

    def see(self, line: Line) -> Finding | None:
        margin = _number(line, f"eval_{MARGIN}")
        if margin is None:
            return None
        self._best = max(self._best, margin)
        if self._best < LEAST_MARGIN:
            return None
        lost = 1 - margin / self._best
        self._fallen = self._fallen + 1 if lost > self.threshold else 0
        said = f"held-out reward margin fell from {self._best:.3g} to {margin:.3g}"
        return Finding(lost, said if self._fallen >= LOOKS else None)


@dataclass(slots=True)
class NoNumber:
    def see(self, line: Line) -> Finding | None:
        values = {name: line[name] for name in ("loss", "grad_norm", "eval_loss") if name in line}
        if not values:
            return None
        broken = [f"{name} is {value}" for name, value in values.items() if value is None or not isfinite(value)]
        return Finding(float(len(broken)), " and ".join(broken) or None)


@dataclass(slots=True)
class Spike:
    """Against the median of all steps before: one that is small because the loss is gone is no measure."""

    threshold: float
    _norms: list[float] = field(default_factory=list)

    def see(self, line: Line) -> Finding | None:
        norm = _number(line, "grad_norm")
        if norm is None:
            return None
        usual = median(self._norms) if len(self._norms) >= STEADY else 0.0
        self._norms.append(norm)
        if usual <= 0:
            return None
        times = norm / usual
        said = f"gradient norm {norm:.3g}, {times:.0f} times the usual {usual:.3g}"
        return Finding(times, said if times > self.threshold else None)


@dataclass(slots=True)
class Drift:
    threshold: float
    _first: float | None = None

    def see(self, line: Line) -> Finding | None:
        tokens = _number(line, "samples/tokens")
        if tokens is None:
            return None
        if self._first is None:
            self._first = tokens
            return None
        longer, shorter = max(tokens, 1.0), max(self._first, 1.0)
        factor = max(longer / shorter, shorter / longer)
        said = f"samples went from {self._first:.0f} to {tokens:.0f} tokens, a factor of {factor:.1f}"
        return Finding(factor, said if factor > self.threshold else None)


@dataclass(slots=True)
class Repetition:
    threshold: float
    _first: float | None = None

    def see(self, line: Line) -> Finding | None:
        share = _number(line, "samples/repeated")
        if share is None:
            return None
        if self._first is None:
            self._first = share
            return None
        rise = share - self._first
        said = f"samples repeat {share:.0%} of their phrases, {self._first:.0%} at first"
        return Finding(rise, said if rise > self.threshold else None)


BY_THRESHOLD: Mapping[str, Callable[[float], Rule]] = {
    "kl": Divergence,
    "margin": Collapse,
    "spike": Spike,
    "length": Drift,
    "repetition": Repetition,
}


def rule_of(name: str, threshold: float, tokens: float, held_out: int = 0) -> Rule:
    """A fresh rule of a guard. ``tokens``: of an answer, on average; ``held_out``: how many rows, 0: not known."""
    if name == "nan":
        return NoNumber()
    if name == "memorising":
        return Memorising(threshold, held_out)
    return Sinking(threshold, tokens) if name == "sinking" else BY_THRESHOLD[name](threshold)


def _number(line: Line, name: str) -> float | None:
    value = line.get(name)
    return float(value) if isinstance(value, int | float) and isfinite(value) else None
