"""Do two orders go together, and who is strongest by the games between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, fsum, log1p, sqrt

from constitutional.core.stats.regression import sigmoid

_STEPS, _CLOSE, _RIDGE = 200, 1e-20, 1e-12
_Games = tuple[int, int, float]
"""Winner, loser, how often."""


def pearson(x: Sequence[float], y: Sequence[float]) -> float | None:
    """None for fewer than two points, or where one side does not vary."""
    if len(x) != len(y):
        raise ValueError(f"{len(x)} and {len(y)} values cannot be paired")
    if len(set(x)) < 2 or len(set(y)) < 2:
        return None
    dx, dy = _deviations(x), _deviations(y)
    both = sqrt(fsum(a * a for a in dx)) * sqrt(fsum(b * b for b in dy))
    return max(-1.0, min(1.0, fsum(a * b for a, b in zip(dx, dy, strict=True)) / both))


def spearman(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Pearson's of the ranks; equal values share the mean of their ranks."""
    return pearson(ranks(x), ranks(y))


def ranks(values: Sequence[float]) -> list[float]:
    """From 1, equal values sharing the mean of their ranks."""
    order = sorted(range(len(values)), key=values.__getitem__)
    found = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for place in order[start:end]:
            found[place] = (start + 1 + end) / 2
        start = end
    return found


def bradley_terry(wins: Mapping[tuple[str, str], float], *, prior: float = 0.1) -> dict[str, float]:
    """Log-strengths with mean 0: P(i beats j) = σ(sᵢ − sⱼ). ``wins[i, j]`` is how often i beat j; a tie is half a win of
    each. Everyone also won and lost ``prior`` games against an average player, so that an unbeaten player, or groups
    that never met, still have strengths.

    Newton's method: the usual repeated scaling of strengths needs thousands of rounds where only the prior decides."""
    if prior <= 0:
        raise ValueError(f"prior = {prior}: without one an unbeaten player has no strength")
    for (winner, loser), count in wins.items():
        if not count >= 0:
            raise ValueError(f"{winner} beat {loser} {count} times")
    names = sorted({name for winner, loser in wins if winner != loser for name in (winner, loser)})
    place = {name: number for number, name in enumerate(names)}
    games = [(place[winner], place[loser], count) for (winner, loser), count in sorted(wins.items()) if winner != loser]
    strengths = [0.0] * len(names)
    for _ in range(_STEPS):
        slope, curvature = _derivatives(strengths, games, prior)
        step = _solve(curvature, slope)
        promised = fsum(down * along for down, along in zip(slope, step, strict=True))
        if promised <= _CLOSE:
            break
        strengths = _descend(strengths, step, promised, games, prior)
    mean = fsum(strengths) / len(strengths) if strengths else 0.0
    return {name: strength - mean for name, strength in zip(names, strengths, strict=True)}


def _derivatives(
    strengths: Sequence[float], games: Sequence[_Games], prior: float
) -> tuple[list[float], list[list[float]]]:
    """Of what ``_surprise`` says. The ridge, too small to count, keeps rounding from making the curvature flat."""
    beaten = [sigmoid(strength) for strength in strengths]
    slope = [prior * (2 * p - 1) for p in beaten]
    curvature = [[0.0] * len(strengths) for _ in strengths]
    for player, p in enumerate(beaten):
        curvature[player][player] = 2 * prior * p * (1 - p)
    for winner, loser, count in games:
        p = sigmoid(strengths[loser] - strengths[winner])
        slope[winner] -= count * p
        slope[loser] += count * p
        weight = count * p * (1 - p)
        curvature[winner][winner] += weight
        curvature[loser][loser] += weight
        curvature[winner][loser] -= weight
        curvature[loser][winner] -= weight
    ridge = _RIDGE * max((curvature[player][player] for player in range(len(strengths))), default=0.0)
    for player in range(len(strengths)):
        curvature[player][player] += ridge
    return slope, curvature


def _descend(
    strengths: Sequence[float], step: Sequence[float], promised: float, games: Sequence[_Games], prior: float
) -> list[float]:
    """Back along the step, or half of it, or a quarter…, until the games grow less surprising."""
    now, share = _surprise(strengths, games, prior), 1.0
    while True:
        tried = [strength - share * along for strength, along in zip(strengths, step, strict=True)]
        if share < _CLOSE or _surprise(tried, games, prior) <= now - share * promised / 10_000:
            return tried
        share /= 2


def _surprise(strengths: Sequence[float], games: Sequence[_Games], prior: float) -> float:
    """−log P of all games, the prior's included."""
    played = fsum(count * _softplus(strengths[loser] - strengths[winner]) for winner, loser, count in games)
    return played + prior * fsum(_softplus(strength) + _softplus(-strength) for strength in strengths)


def _softplus(x: float) -> float:
    return max(x, 0.0) + log1p(exp(-abs(x)))


def _solve(matrix: list[list[float]], right: Sequence[float]) -> list[float]:
    """By elimination; the matrix is symmetric and positive, so no pivot is needed. It is used up."""
    size, found = len(matrix), list(right)
    for pivot in range(size):
        for row in range(pivot + 1, size):
            factor = matrix[row][pivot] / matrix[pivot][pivot]
            if factor:
                for column in range(pivot, size):
                    matrix[row][column] -= factor * matrix[pivot][column]
                found[row] -= factor * found[pivot]
    for row in reversed(range(size)):
        known = fsum(matrix[row][column] * found[column] for column in range(row + 1, size))
        found[row] = (found[row] - known) / matrix[row][row]
    return found


def _deviations(values: Sequence[float]) -> list[float]:
    """From the mean, scaled to at most 1 so that squares neither overflow nor vanish."""
    mean = fsum(values) / len(values)
    largest = max(abs(value - mean) for value in values)
    return [(value - mean) / largest for value in values]
