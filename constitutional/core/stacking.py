"""How much each of several judges is worth, learned from labels: logistic stacking on their log-odds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, fsum, log, log1p

from constitutional.core.stats.regression import sigmoid

CLIP = 1e-6
"""A judge that is certain is taken for as certain as this."""
RIDGE = 1.0
"""As much as one label of middling difficulty: weights that labels say nothing of stay those of the plain mean."""
_STEPS, _HALVINGS, _CLOSE = 100, 30, 1e-13


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
    rows = [[0.0 if p is None else log_odds(p) for p in row] for row in member_ps]
    judges = len(rows[0]) if rows else 0
    fit = _Fit(rows, labels, 1 / judges if judges else 0.0, ridge)
    weights = [fit.middle] * judges
    for _ in range(_STEPS):
        better = fit.improved(weights)
        if better is None:
            break
        weights = better
    return tuple(weights)


@dataclass(frozen=True, slots=True)
class _Fit:
    rows: Sequence[Sequence[float]]
    labels: Sequence[float]
    middle: float
    ridge: float

    def improved(self, weights: list[float]) -> list[float] | None:
        """One projected step of Newton's method, None where nothing is left to gain. Judges like each other make the
        problem nearly flat, which is why it is not solved one weight at a time. Where a bound bends Newton's direction
        so that it leads nowhere, steepest descent always leads down."""
        slope, curvature = self._derivatives(weights)
        free = [j for j, weight in enumerate(weights) if weight > 0 or slope[j] < 0]
        loss = self._loss(weights)
        block = [[curvature[i][j] for j in free] for i in free]
        newton = dict(zip(free, _solved(block, [slope[j] for j in free]), strict=True))
        steepest = {j: slope[j] / (sum(curvature[i][i] for i in free) or 1.0) for j in free}
        for direction in (newton, steepest):
            for halvings in range(_HALVINGS):
                step = 0.5**halvings
                tried = [max(0.0, w - step * direction.get(j, 0.0)) for j, w in enumerate(weights)]
                if self._loss(tried) < loss - _CLOSE * (1 + abs(loss)):
                    return tried
        return None

    def _derivatives(self, weights: Sequence[float]) -> tuple[list[float], list[list[float]]]:
        judges = range(len(weights))
        slope = [self.ridge * (weight - self.middle) for weight in weights]
        curvature = [[self.ridge * (i == j) for j in judges] for i in judges]
        for row, label in zip(self.rows, self.labels, strict=True):
            p = sigmoid(_dot(row, weights))
            for i in judges:
                slope[i] += (p - label) * row[i]
                scaled = p * (1 - p) * row[i]
                for j in judges:
                    curvature[i][j] += scaled * row[j]
        return slope, curvature

    def _loss(self, weights: Sequence[float]) -> float:
        odds = [_dot(row, weights) for row in self.rows]
        fit = fsum(max(z, 0.0) - label * z + log1p(exp(-abs(z))) for z, label in zip(odds, self.labels, strict=True))
        return fit + self.ridge / 2 * fsum((weight - self.middle) ** 2 for weight in weights)


def _dot(row: Sequence[float], weights: Sequence[float]) -> float:
    return fsum(x * weight for x, weight in zip(row, weights, strict=True))


def _solved(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Gaussian elimination of a positive definite system; a row that vanished in rounding moves nothing."""
    rows = [[*line, value] for line, value in zip(matrix, right, strict=True)]
    for at, pivot in enumerate(rows):
        for line in rows[at + 1 :]:
            factor = line[at] / pivot[at] if pivot[at] else 0.0
            for column in range(at, len(pivot)):
                line[column] -= factor * pivot[column]
    found = [0.0] * len(rows)
    for at in reversed(range(len(rows))):
        rest = rows[at][-1] - fsum(rows[at][j] * found[j] for j in range(at + 1, len(rows)))
        found[at] = rest / rows[at][at] if rows[at][at] else 0.0
    return found
