"""The two fits behind calibration: logistic regression on one number, and isotonic regression."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, fsum, log1p
from typing import NamedTuple

_STEPS, _CLOSE = 100, 1e-18
_DAMPINGS = tuple(10.0**power for power in range(-12, 1))


class _Step(NamedTuple):
    first: float
    last: float
    total: float
    weight: int

    @property
    def mean(self) -> float:
        return self.total / self.weight


class _Curvature(NamedTuple):
    aa: float
    ab: float
    bb: float


def logistic(xs: Sequence[float], ys: Sequence[float], intercept: bool) -> tuple[float, float]:
    """(a, b) of the least cross-entropy of σ(a·x + b) against ``ys``, b = 0 without an intercept. It exists where every y
    lies strictly between 0 and 1; xs that are all equal tell nothing of the slope, which then stays 1.

    Newton's method on standardised xs. Far out, where the loss is almost straight, its steps overshoot: then the
    greatest curvature that a logistic loss can have is mixed in until the loss falls, as with all of it it must."""
    if not xs:
        return 1.0, 0.0
    middle = fsum(xs) / len(xs) if intercept else 0.0
    scale = max(abs(x - middle) for x in xs) or 1.0
    standard = [(x - middle) / scale for x in xs]
    a, b = _descend(standard, ys, scale, middle, intercept)
    return a / scale, b - a / scale * middle


def _descend(xs: Sequence[float], ys: Sequence[float], a: float, b: float, intercept: bool) -> tuple[float, float]:
    loss = _loss(xs, ys, a, b)
    most = _Curvature(fsum(x * x for x in xs) / 4, fsum(xs) / 4, len(xs) / 4)
    for _ in range(_STEPS):
        slope, curvature = _derivatives(xs, ys, a, b)
        for damping in _DAMPINGS:
            step_a, step_b = _solve(slope, curvature, most, damping, intercept)
            promised = slope[0] * step_a + slope[1] * step_b
            tried = _loss(xs, ys, a - step_a, b - step_b)
            if tried <= loss - promised / 10_000:
                break
        else:
            break
        a, b, loss = a - step_a, b - step_b, tried
        if promised <= _CLOSE * len(xs):
            break
    return a, b


def _derivatives(
    xs: Sequence[float], ys: Sequence[float], a: float, b: float
) -> tuple[tuple[float, float], _Curvature]:
    by_a = by_b = aa = ab = bb = 0.0
    for x, y in zip(xs, ys, strict=True):
        p = sigmoid(a * x + b)
        wrong, weight = p - y, p * (1 - p)
        by_a += wrong * x
        by_b += wrong
        aa += weight * x * x
        ab += weight * x
        bb += weight
    return (by_a, by_b), _Curvature(aa, ab, bb)


def _solve(
    slope: tuple[float, float], curvature: _Curvature, most: _Curvature, damping: float, intercept: bool
) -> tuple[float, float]:
    """The step to take back."""
    aa, ab, bb = (now + damping * limit for now, limit in zip(curvature, most, strict=True))
    if not intercept:
        return (slope[0] / aa if aa else 0.0), 0.0
    area = aa * bb - ab * ab
    if area <= 0:
        return 0.0, slope[1] / bb
    return (bb * slope[0] - ab * slope[1]) / area, (aa * slope[1] - ab * slope[0]) / area


def _loss(xs: Sequence[float], ys: Sequence[float], a: float, b: float) -> float:
    straight = [a * x + b for x in xs]
    return fsum(max(z, 0.0) - y * z + log1p(exp(-abs(z))) for z, y in zip(straight, ys, strict=True))


def sigmoid(x: float) -> float:
    if x >= 0:
        return 1 / (1 + exp(-x))
    small = exp(x)
    return small / (1 + small)


def isotonic(xs: Sequence[float], ys: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """The rising steps of the least squared error, by pooling adjacent violators: the knots (x, value) at both ends of
    each step."""
    at: dict[float, list[float]] = {}
    for x, y in zip(xs, ys, strict=True):
        at.setdefault(x, []).append(y)
    steps: list[_Step] = []
    for x in sorted(at):
        steps.append(_Step(x, x, fsum(at[x]), len(at[x])))
        while len(steps) > 1 and steps[-2].mean >= steps[-1].mean:
            after, before = steps.pop(), steps.pop()
            steps.append(_Step(before.first, after.last, before.total + after.total, before.weight + after.weight))
    return tuple(
        (place, step.mean)
        for step in steps
        for place in ((step.first,) if step.first == step.last else (step.first, step.last))
    )
