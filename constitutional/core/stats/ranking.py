"""Do two orders go together, does a score tell good from bad, and who is strongest by the games between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import fsum, log, sqrt

TIE = 0.5


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


def auc(scores: Sequence[float], labels: Sequence[float]) -> float | None:
    """How often an item labelled over ½ scores higher than one labelled under ½, an equal score counting half. Items
    labelled ½ are left out; None where one class is absent."""
    judged = [(score, label) for score, label in zip(scores, labels, strict=True) if label != TIE]
    good = [label > TIE for _, label in judged]
    positives = sum(good)
    negatives = len(good) - positives
    if not positives or not negatives:
        return None
    above = fsum(rank for rank, is_good in zip(ranks([score for score, _ in judged]), good, strict=True) if is_good)
    return (above - positives * (positives + 1) / 2) / (positives * negatives)


def bradley_terry(
    wins: Mapping[tuple[str, str], float], *, prior: float = 0.1, tolerance: float = 1e-10, rounds: int = 10_000
) -> dict[str, float]:
    """Log-strengths with mean 0: P(i beats j) = σ(sᵢ − sⱼ). ``wins[i, j]`` is how often i beat j; a tie is half a win of
    each. Everyone also won and lost ``prior`` games against an average player, so that an unbeaten player, or groups
    that never met, still have strengths."""
    if prior <= 0:
        raise ValueError(f"prior = {prior}: without one an unbeaten player has no strength")
    games: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    won: dict[str, float] = defaultdict(float)
    for (winner, loser), count in sorted(wins.items()):
        if count < 0:
            raise ValueError(f"{winner} beat {loser} {count} times")
        if winner != loser:
            won[winner] += count
            games[winner][loser] += count
            games[loser][winner] += count
    strength = dict.fromkeys(sorted(games), 1.0)
    for _ in range(rounds):
        change = 0.0
        for name, met in games.items():
            met_strength = fsum(count / (strength[name] + strength[other]) for other, count in met.items())
            better = (won[name] + prior) / (met_strength + 2 * prior / (strength[name] + 1))
            change = max(change, abs(log(better / strength[name])))
            strength[name] = better
        if change < tolerance:
            break
    logs = {name: log(value) for name, value in strength.items()}
    mean = fsum(logs.values()) / len(logs) if logs else 0.0
    return {name: value - mean for name, value in logs.items()}


def _deviations(values: Sequence[float]) -> list[float]:
    """From the mean, scaled to at most 1 so that squares neither overflow nor vanish."""
    mean = fsum(values) / len(values)
    largest = max(abs(value - mean) for value in values)
    return [(value - mean) / largest for value in values]
