"""The two fits behind calibration: logistic regression on one number, and isotonic regression."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, fsum, log1p
from typing import NamedTuple

_STEPS, _HALVINGS, _CLOSE, _DAMPING = 100, 40, 1e-18, 1e-12


class _Step(NamedTuple):
    first: float
    last: float
    total: float
    weight: int

    @property
    def mean(self) -> float:
        return self.total / self.weight


def logistic(xs: Sequence[float], ys: Sequence[float], intercept: bool) -> tuple[float, float]:
    """(a, b) of the least cross-entropy of σ(a·x + b) against ``ys``, b = 0 without an intercept. It exists where every y
    lies strictly between 0 and 1; where the xs leave a direction open (all equal), it stays near (1, 0).
    Newton's method, each step halved until the loss falls."""
    a, b = 1.0, 0.0
    loss = _loss(xs, ys, a, b)
    for _ in range(_STEPS):
        step_a, step_b, promised = _newton(xs, ys, a, b, intercept)
        for halving in range(_HALVINGS):
            share = 0.5**halving
            tried = _loss(xs, ys, a - share * step_a, b - share * step_b)
            if tried <= loss:
                break
        else:
            break
        a, b, loss = a - share * step_a, b - share * step_b, tried
        if promised <= _CLOSE * len(xs):
            break
    return a, b


def _newton(
    xs: Sequence[float], ys: Sequence[float], a: float, b: float, intercept: bool
) -> tuple[float, float, float]:
    """The step to take away, and how much loss it promises to save (twice)."""
    slope = shift = curve = cross = level = 0.0
    for x, y in zip(xs, ys, strict=True):
        p = sigmoid(a * x + b)
        wrong, weight = p - y, p * (1 - p)
        slope += wrong * x
        shift += wrong
        curve += weight * x * x
        cross += weight * x
        level += weight
    if not intercept:
        step = slope / curve if curve else 0.0
        return step, 0.0, step * slope
    damping = _DAMPING * (curve + level)
    curve, level = curve + damping, level + damping
    area = curve * level - cross * cross
    if area <= 0:
        return 0.0, 0.0, 0.0
    step_a, step_b = (level * slope - cross * shift) / area, (curve * shift - cross * slope) / area
    return step_a, step_b, step_a * slope + step_b * shift


def _loss(xs: Sequence[float], ys: Sequence[float], a: float, b: float) -> float:
    return fsum(max(z, 0.0) - y * z + log1p(exp(-abs(z))) for z, y in zip([a * x + b for x in xs], ys, strict=True))


def sigmoid(x: float) -> float:
    if x >= 0:
        return 1 / (1 + exp(-x))
    small = exp(x)
    return small / (1 + small)


def isotonic(xs: Sequence[float], ys: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """The rising steps of the least squared error, by pooling adjacent violators: the knots (x, value) at both ends of
    each step."""
    steps: list[_Step] = []
    for x, y in sorted(zip(xs, ys, strict=True)):
        steps.append(_Step(x, x, y, 1))
        while len(steps) > 1 and (steps[-2].last == steps[-1].first or steps[-2].mean >= steps[-1].mean):
            after, before = steps.pop(), steps.pop()
            steps.append(_Step(before.first, after.last, before.total + after.total, before.weight + after.weight))
    return tuple(
        (place, step.mean)
        for step in steps
        for place in ((step.first,) if step.first == step.last else (step.first, step.last))
    )
