"""Do probabilities mean what they say: of the items given 0.8, is eight tenths so? An outcome is 1, 0, or anything between
(a tie is ½, and the share of annotators who said so is itself)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, log
from sys import float_info

from constitutional.core.stats.intervals import quantile


@dataclass(frozen=True, slots=True)
class Bin:
    """The items with low < p ≤ high (the first bin also holds p = low)."""

    low: float
    high: float
    count: int
    mean_p: float
    rate: float
    """The mean outcome: ``mean_p`` where p is calibrated."""


def reliability(ps: Sequence[float], outcomes: Sequence[float], bins: int = 10, equal_mass: bool = False) -> list[Bin]:
    """The bins that hold anything, lowest first: of equal width over [0, 1], or each of about as many items."""
    items = _checked(ps, outcomes)
    if not items:
        return []
    edges = _quantiles(sorted(ps), bins) if equal_mass else [place / bins for place in range(bins + 1)]
    held: list[list[tuple[float, float]]] = [[] for _ in range(bins)]
    for p, outcome in items:
        held[bisect_left(edges, p, 1, bins) - 1].append((p, outcome))
    return [
        Bin(low, high, len(inside), _mean([p for p, _ in inside]), _mean([outcome for _, outcome in inside]))
        for low, high, inside in zip(edges, edges[1:], held, strict=False)
        if inside
    ]


def ece(ps: Sequence[float], outcomes: Sequence[float], bins: int = 10, equal_mass: bool = False) -> float | None:
    """Expected calibration error: how far a bin's rate is from its mean p, on average over items."""
    found = reliability(ps, outcomes, bins, equal_mass)
    if not found:
        return None
    return fsum(held.count * abs(held.mean_p - held.rate) for held in found) / len(ps)


def brier(ps: Sequence[float], outcomes: Sequence[float]) -> float | None:
    """Mean (p − outcome)²."""
    items = _checked(ps, outcomes)
    return _mean([(p - outcome) ** 2 for p, outcome in items]) if items else None


def log_loss(ps: Sequence[float], outcomes: Sequence[float]) -> float | None:
    """Mean cross-entropy in nats. A certainty that fails costs 36, not infinity."""
    items = _checked(ps, outcomes)
    return _mean([cross_entropy(p, outcome) for p, outcome in items]) if items else None


def cross_entropy(p: float, outcome: float) -> float:
    sure = min(max(p, float_info.epsilon), 1 - float_info.epsilon)
    return -outcome * log(sure) - (1 - outcome) * log(1 - sure)


def _checked(ps: Sequence[float], outcomes: Sequence[float]) -> list[tuple[float, float]]:
    items = list(zip(ps, outcomes, strict=True))
    for p, outcome in items:
        if not (0 <= p <= 1 and 0 <= outcome <= 1):
            raise ValueError(f"p = {p}, outcome = {outcome}: both must lie in [0, 1]")
    return items


def _quantiles(ordered: Sequence[float], bins: int) -> list[float]:
    return [quantile(ordered, place / bins) for place in range(bins + 1)]


def _mean(values: Sequence[float]) -> float:
    return fsum(values) / len(values)
