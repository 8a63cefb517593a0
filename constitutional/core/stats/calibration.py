"""From what a judge says to how often it is right: maps of a probability that are fitted on human labels.

Which answer is called A is arbitrary, so a map must be antisymmetric: f(1 − p) = 1 − f(p). Every map here is so by
construction: it sees only the confidence c = max(p, 1 − p), is fitted against whether the side with more than half was
the right one, and is turned back afterwards."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum, isfinite, log, sqrt
from random import Random
from typing import Any, Literal, get_args

from constitutional.core.stats.regression import isotonic, logistic, sigmoid
from constitutional.core.stats.reliability import cross_entropy

Kind = Literal["identity", "temperature", "platt", "isotonic"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Simplest first."""
HALF, CLIP = 0.5, 1e-6
_SIZES: Mapping[Kind, int] = {"identity": 0, "temperature": 1, "platt": 2, "isotonic": 0}


@dataclass(frozen=True, slots=True)
class Calibrator:
    """f(p) = g(p) over ½, 1 − g(1 − p) under it, ½ at it. A confidence g(c) under ½ means a judge below chance: f(p) then
    lies on the other side of ½ than p, and the caller decides what that is worth; no label is flipped here.

    temperature (a): g = σ(a·logit c); platt (a, b): g = σ(a·logit c + b); isotonic: linear between the knots (c, g)."""

    kind: Kind = "identity"
    parameters: tuple[float, ...] = ()
    knots: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no calibration is called {self.kind!r}: there are {', '.join(KINDS)}")
        if len(self.parameters) != _SIZES[self.kind] or (self.kind == "isotonic") != bool(self.knots):
            raise ValueError(f"{self.kind}: wrong parameters {self.parameters} or knots {self.knots}")
        if not all(map(isfinite, self.parameters)):
            raise ValueError(f"{self.kind}: parameters {self.parameters} must be finite")
        places, values = [place for place, _ in self.knots], [value for _, value in self.knots]
        inside = all(0 <= number <= 1 for number in (*places, *values))
        if not inside or places != sorted(places) or values != sorted(values):
            raise ValueError(f"isotonic: knots {self.knots} must rise and lie in [0, 1]")

    def __call__(self, p: float) -> float:
        if not 0 <= p <= 1:
            raise ValueError(f"p = {p} is no probability")
        c = max(p, 1 - p)
        if self.kind == "identity" or c == HALF:
            return p
        return self.confidence(c) if p > HALF else 1 - self.confidence(c)

    def confidence(self, c: float) -> float:
        """g: how often a verdict with the confidence c > ½ is right."""
        if self.kind == "identity":
            return c
        if self.kind == "isotonic":
            return _between(self.knots, c)
        slope, shift = (*self.parameters, 0.0)[:2]
        return sigmoid(slope * _logit(c) + shift)

    def to_json(self) -> dict[str, Any]:
        """A JSON value; ``from_json`` gives back the equal calibrator."""
        return {"kind": self.kind, "parameters": list(self.parameters), "knots": [list(knot) for knot in self.knots]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Calibrator:
        knots = tuple((float(c), float(g)) for c, g in value.get("knots", ()))
        return cls(value.get("kind", ""), tuple(map(float, value.get("parameters", ()))), knots)


def _between(knots: Sequence[tuple[float, float]], c: float) -> float:
    """Linear between the knots, level beyond the first and last."""
    above = bisect_right(knots, c, key=lambda knot: knot[0])
    if above == 0:
        return knots[0][1]
    if above == len(knots):
        return knots[-1][1]
    (left, low), (right, high) = knots[above - 1], knots[above]
    return low + (high - low) * (c - left) / (right - left)


def _logit(c: float) -> float:
    sure = min(c, 1 - CLIP)
    return log(sure / (1 - sure))


def fit(kind: Kind, ps: Sequence[float], labels: Sequence[float]) -> Calibrator:
    """``labels``: how far people prefer the answer that p speaks of: 1, 0, ½ for a tie, or the share who do. A p of just
    ½ takes no side and says nothing; where no p takes one, identity.

    No finite set of labels makes a calibrator certain: logistic fits move each label towards ½ by the share of one tie
    in all labels (Platt's remedy), isotonic ones add a tie at the least and at the greatest confidence."""
    sides = _sides(ps, labels)
    if kind == "identity" or not sides:
        return Calibrator()
    confidences, right = [c for c, _ in sides], [y for _, y in sides]
    if kind == "isotonic":
        ends = (min(confidences), max(confidences))
        return Calibrator(kind, knots=isotonic([*confidences, *ends], [*right, HALF, HALF]))
    n = len(sides)
    slope, shift = logistic(
        [_logit(c) for c in confidences], [(n * y + HALF) / (n + 1) for y in right], kind == "platt"
    )
    return Calibrator(kind, (slope, shift) if kind == "platt" else (slope,))


def choose(
    ps: Sequence[float], labels: Sequence[float], kinds: Sequence[Kind] = KINDS, folds: int = 5, seed: int = 0
) -> tuple[Calibrator, dict[Kind, float]]:
    """The calibrator chosen, fitted on everything, and each kind's cross-validated log loss. The simplest kind wins
    whose loss exceeds the best one's by no more than the standard error of their difference: a gain that chance alone
    explains is none. Identity always takes part."""
    n = len(ps)
    taking_part = [kind for kind in KINDS if kind == "identity" or kind in kinds]
    held_out = _folds(n, folds, seed)
    losses = {kind: _held_out_losses(kind, ps, labels, held_out) for kind in taking_part}
    if not n:
        return Calibrator(), {}
    means = {kind: fsum(found) / n for kind, found in losses.items()}
    best = min(taking_part, key=means.__getitem__)
    chosen = next(kind for kind in taking_part if _as_good(losses[kind], losses[best]))
    return fit(chosen, ps, labels), means


def _sides(ps: Sequence[float], labels: Sequence[float]) -> list[tuple[float, float]]:
    """(confidence, how far the side it took was right) of every p that took one."""
    for p, label in zip(ps, labels, strict=True):
        if not (0 <= p <= 1 and 0 <= label <= 1):
            raise ValueError(f"p = {p}, label = {label}: both must lie in [0, 1]")
    return [(p, label) if p > HALF else (1 - p, 1 - label) for p, label in zip(ps, labels, strict=True) if p != HALF]


def _folds(n: int, folds: int, seed: int) -> list[list[int]]:
    order = list(range(n))
    Random(seed).shuffle(order)
    return [order[first::folds] for first in range(min(folds, n))]


def _held_out_losses(
    kind: Kind, ps: Sequence[float], labels: Sequence[float], folds: Sequence[Sequence[int]]
) -> list[float]:
    """Each item's loss under the calibrator that was fitted without its fold."""
    found = [0.0] * len(ps)
    for fold in folds:
        held = set(fold)
        rest = [place for place in range(len(ps)) if place not in held]
        fitted = fit(kind, [ps[place] for place in rest], [labels[place] for place in rest])
        for place in fold:
            found[place] = cross_entropy(fitted(ps[place]), labels[place])
    return found


def _as_good(losses: Sequence[float], best: Sequence[float]) -> bool:
    n = len(losses)
    excess = [loss - least for loss, least in zip(losses, best, strict=True)]
    mean = fsum(excess) / n
    error = sqrt(fsum((value - mean) ** 2 for value in excess) / n / max(1, n - 1))
    return mean <= error
