"""How sure a number is: bootstrap and Wilson intervals, and exact tests of paired wins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from math import exp, fsum, lgamma, log, log1p
from random import Random
from statistics import NormalDist
from typing import NamedTuple, TypeVar

T = TypeVar("T")
LEVEL, RESAMPLES = 0.95, 2000


class Interval(NamedTuple):
    """A statistic of the sample, and the interval that holds the true one in ``level`` of the samples."""

    value: float
    low: float
    high: float


def bootstrap(
    items: Sequence[T],
    statistic: Callable[[Sequence[T]], float | None],
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval | None:
    """The percentile bootstrap. Resamples on which the statistic is undefined are left out; None where it is undefined
    on the sample itself. It cannot see what never happened: of 5 right out of 5 it says [1, 1], ``wilson`` [0.57, 1]."""
    value = statistic(items) if items else None
    if value is None:
        return None
    choices, size = Random(seed).choices, len(items)
    drawn = (statistic(choices(items, k=size)) for _ in range(resamples))
    return _percentile(value, [found for found in drawn if found is not None], level)


def bootstrap_mean(
    values: Sequence[float], *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> Interval | None:
    """``bootstrap`` of the mean. Where few values occur (right or wrong, wins and ties) only how often each is drawn is
    drawn, which takes milliseconds."""
    if not values:
        return None
    size, chance = len(values), Random(seed)
    counts = Counter(values)
    if len(counts) ** 2 <= size:
        cells = sorted(counts.items())
        means = [
            fsum(value * count for value, count in _multinomial(cells, size, chance)) / size for _ in range(resamples)
        ]
    else:
        means = [sum(chance.choices(values, k=size)) / size for _ in range(resamples)]
    return _percentile(fsum(values) / size, means, level)


def bootstrap_ratio(parts: Sequence[tuple[float, float]], *, resamples: int = RESAMPLES) -> Interval | None:
    """Of (total, count) per item: the totals' sum over the counts', by resampling items. An item of several answers is
    drawn whole: they are no independent evidence."""
    counts = {count for _, count in parts}
    if len(counts) == 1 and 0 not in counts:
        return bootstrap_mean([total / count for total, count in parts], resamples=resamples)
    return bootstrap(parts, _ratio, resamples=resamples)


def _ratio(parts: Sequence[tuple[float, float]]) -> float | None:
    count = fsum(count for _, count in parts)
    return fsum(total for total, _ in parts) / count if count else None


def wilson(successes: float, n: int, level: float = LEVEL) -> Interval | None:
    """Wilson's interval of a share; half successes (ties) are allowed. Right for few items and for shares near 0 and 1."""
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}")
    if n == 0:
        return None
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, spread = successes / n, z * z / n
    centre = (share + spread / 2) / (1 + spread)
    reach = z * (share * (1 - share) / n + spread / (4 * n)) ** 0.5 / (1 + spread)
    return Interval(share, min(share, max(0.0, centre - reach)), max(share, min(1.0, centre + reach)))


def sign_test(wins: int, losses: int) -> float:
    """The exact two-sided p of so uneven a score if both sides were equally good; ties are left out before. No games
    give no evidence: 1."""
    if wins < 0 or losses < 0:
        raise ValueError(f"{wins} wins and {losses} losses: a count cannot be negative")
    n, fewer = wins + losses, min(wins, losses)
    if 2 * fewer == n:
        return 1.0
    term = exp(_log_binomial(n, fewer, 0.5))
    tail, k = 0.0, fewer
    while term > tail * 1e-17:
        tail += term
        term *= k / (n - k + 1)
        k -= 1
    return min(1.0, 2 * tail)


def _multinomial(cells: Sequence[tuple[float, int]], size: int, chance: Random) -> Iterator[tuple[float, int]]:
    """How often each value comes up in ``size`` draws with replacement: binomials, each given those before."""
    undrawn, unseen = size, size
    for value, count in cells:
        drawn = undrawn if count == unseen else _binomial(undrawn, count / unseen, chance)
        yield value, drawn
        undrawn, unseen = undrawn - drawn, unseen - count


def _binomial(n: int, p: float, chance: Random) -> int:
    """One draw, by inversion outward from the mode, so that it takes some √n steps."""
    if n == 0:
        return 0
    mode = min(n, int((n + 1) * p))
    odds, left = p / (1 - p), chance.random()
    up, down = mode, mode
    rising = falling = exp(_log_binomial(n, mode, p))
    left -= rising
    while left >= 0 and (up < n or down > 0):
        if up < n:
            rising *= (n - up) / (up + 1) * odds
            up += 1
            left -= rising
            if left < 0:
                return up
        if down > 0:
            falling *= down / ((n - down + 1) * odds)
            down -= 1
            left -= falling
            if left < 0:
                return down
    return mode


def _log_binomial(n: int, k: int, p: float) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(p) + (n - k) * log1p(-p)


def _percentile(value: float, found: list[float], level: float) -> Interval | None:
    if not found:
        return None
    found.sort()
    return Interval(value, quantile(found, (1 - level) / 2), quantile(found, (1 + level) / 2))


def quantile(ordered: Sequence[float], share: float) -> float:
    """Linear between the order statistics, as numpy's default."""
    position = share * (len(ordered) - 1)
    below = min(int(position), len(ordered) - 1)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
