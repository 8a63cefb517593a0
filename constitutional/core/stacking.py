"""How much each of several judges is worth, learned from labels: logistic stacking on their log-odds."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, fsum, log, log1p

from constitutional.core.stats.regression import sigmoid

CLIP = 1e-6
"""A judge that is certain is taken for as certain as this."""
RIDGE = 1.0
"""As much as one label of middling difficulty: weights that labels say nothing of stay those of the plain mean."""
_SWEEPS, _CLOSE = 1000, 1e-10


def log_odds(p: float) -> float:
    clipped = min(max(p, CLIP), 1 - CLIP)
    return log(clipped / (1 - clipped))


def stacked(ps: Sequence[float | None], weights: Sequence[float]) -> float | None:
    """σ(Σ weight · log-odds) over the judges that said something; None where none did. Without an intercept, so that
    exchanging the answers gives 1 − p."""
    said = [weight * log_odds(p) for p, weight in zip(ps, weights, strict=True) if p is not None]
    return sigmoid(fsum(said)) if said else None


def learn_weights(
    member_ps: Sequence[Sequence[float | None]], labels: Sequence[float], ridge: float = RIDGE
) -> tuple[float, ...]:
    """The weights, none negative, of the least cross-entropy of ``stacked`` against ``labels``.

    ``member_ps`` has a row per labelled pair and in it one P(a is better) per judge, None where it abstained; ``labels``
    are 1 where a is better, 0 where b is, ½ for a tie. A judge below chance gets 0, not a turned verdict. The ridge pulls
    towards the mean of the judges' log-odds, and makes the answer exist whatever the labels are."""
    judges = len(member_ps[0]) if member_ps else 0
    columns = [[0.0 if p is None else log_odds(p) for p in column] for column in zip(*member_ps, strict=True)]
    middle = 1 / judges if judges else 0.0
    weights = [middle] * judges
    sums = [middle * fsum(row) for row in zip(*columns, strict=True)]
    for _ in range(_SWEEPS):
        moved = 0.0
        for number, column in enumerate(columns):
            step = _step(column, sums, labels, weights[number], middle, ridge)
            weights[number] += step
            sums = [total + step * x for total, x in zip(sums, column, strict=True)]
            moved = max(moved, abs(step))
        if moved < _CLOSE:
            break
    return tuple(weights)


def _step(
    column: Sequence[float], sums: Sequence[float], labels: Sequence[float], weight: float, middle: float, ridge: float
) -> float:
    """How far one weight goes: Newton's step, or where that overshoots the one that the steepest logistic loss allows,
    which never does; and never below zero."""
    slope = ridge * (weight - middle)
    curvature = most = ridge
    for x, total, label in zip(column, sums, labels, strict=True):
        p = sigmoid(total)
        slope += (p - label) * x
        curvature += p * (1 - p) * x * x
        most += x * x / 4
    if not slope or not most:
        return 0.0
    before = _loss(column, sums, labels, weight, middle, ridge, 0.0)
    newton = max(-slope / curvature, -weight)
    if _loss(column, sums, labels, weight, middle, ridge, newton) <= before:
        return newton
    return max(-slope / most, -weight)


def _loss(
    column: Sequence[float],
    sums: Sequence[float],
    labels: Sequence[float],
    weight: float,
    middle: float,
    ridge: float,
    step: float,
) -> float:
    moved = [total + step * x for total, x in zip(sums, column, strict=True)]
    fit = fsum(max(z, 0.0) - label * z + log1p(exp(-abs(z))) for z, label in zip(moved, labels, strict=True))
    return fit + ridge / 2 * (weight + step - middle) ** 2
