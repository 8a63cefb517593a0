"""Numbers with intervals: prompts are drawn again, not pairs, since the pairs of one prompt are no independent news."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from constitutional.config.judge_card import Measured
from constitutional.core.stats.intervals import Interval, bootstrap, bootstrap_mean

T = TypeVar("T")
WORK, FEWEST, MOST = 500_000, 200, 2_000
"""Resamples are as many as make about so many items in all, within these bounds."""


def mean_of(values: Iterable[tuple[str, float]]) -> Measured | None:
    """Of (prompt, value): the mean of the values."""
    grouped: dict[str, list[float]] = defaultdict(list)
    for prompt, value in values:
        grouped[prompt].append(value)
    n = sum(map(len, grouped.values()))
    if all(len(own) == 1 for own in grouped.values()):
        return measured(bootstrap_mean([own[0] for own in grouped.values()], resamples=resamples(n)), n)
    sums = [(sum(own), len(own)) for own in grouped.values()]
    return measured(bootstrap(sums, _ratio, resamples=resamples(len(sums))), n)


def statistic_of(
    items: Iterable[tuple[str, T]],
    statistic: Callable[[Sequence[T]], float | None],
    *,
    effort: int = 1,
    centred: bool = False,
) -> Measured | None:
    """Of (prompt, item): any statistic of the items. ``effort`` is how dear the statistic is beside a mean. ``centred``:
    it cannot be under 0 and noise only adds to it (an error), so that resamples, which are noisier than the sample, lie
    too high by what their median says."""
    grouped: dict[str, list[T]] = defaultdict(list)
    for prompt, item in items:
        grouped[prompt].append(item)
    n = sum(map(len, grouped.values()))
    groups = list(grouped.values())

    def of_groups(groups: Sequence[list[T]]) -> float | None:
        return statistic([item for group in groups for item in group])

    found = bootstrap(groups, of_groups, resamples=resamples(n * effort))
    if found is not None and centred:
        median = bootstrap(groups, of_groups, level=0.0, resamples=resamples(n * effort))
        excess = 0.0 if median is None else median.low - found.value
        found = Interval(found.value, max(0.0, found.low - excess), max(found.value, found.high - excess))
    return measured(found, n)


def measured(interval: Interval | None, n: int) -> Measured | None:
    return None if interval is None else Measured(value=interval.value, low=interval.low, high=interval.high, n=n)


def resamples(n: int) -> int:
    return max(FEWEST, min(MOST, WORK // max(1, n)))


def _ratio(groups: Sequence[tuple[float, int]]) -> float:
    return sum(total for total, _ in groups) / sum(count for _, count in groups)
