"""Which of a prompt's candidates to compare: pure choices over tables of scores.

Candidates are numbered in the order they stand in; None is one without a score, and those in ``barred`` may be rejected
but never chosen. Of several that are equal the first is taken, and what is equal is never set against each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from random import Random

EQUAL = 1e-9
"""Scores that differ by no more are equal: floating point may not decide."""

Values = Sequence[float | None]
Pick = tuple[int, int]
"""The candidate to be chosen, and the one to be rejected."""


def best_of(values: Values, barred: Set[int] = frozenset()) -> int | None:
    """None where nothing may be chosen."""
    free = [(value, index) for index, value in enumerate(values) if value is not None and index not in barred]
    if not free:
        return None
    highest = max(value for value, _ in free)
    return next(index for value, index in free if value >= highest - EQUAL)


def below(values: Values, top: int) -> list[tuple[float, int]]:
    """The candidates that score lower than ``top``, with their scores."""
    limit = values[top]
    if limit is None:
        return []
    return [(value, index) for index, value in enumerate(values) if value is not None and value < limit - EQUAL]


def best_and_worst(values: Values, barred: Set[int] = frozenset()) -> Pick | None:
    top = best_of(values, barred)
    return None if top is None else _against(top, _nearest(below(values, top), -math.inf))


def best_and_random(values: Values, random: Random, barred: Set[int] = frozenset()) -> Pick | None:
    top = best_of(values, barred)
    lower = [] if top is None else below(values, top)
    return (top, random.choice(lower)[1]) if top is not None and lower else None


def best_and_low(values: Values, sigmas: float, barred: Set[int] = frozenset()) -> Pick | None:
    """The rejected one is the nearest to ``sigmas`` standard deviations below the mean; of two as near, the lower."""
    top = best_of(values, barred)
    known = [value for value in values if value is not None]
    if top is None or not known:
        return None
    mean = math.fsum(known) / len(known)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in known) / len(known))
    return _against(top, _nearest(below(values, top), mean - sigmas * deviation))


def dominates(a: Mapping[str, float], b: Mapping[str, float]) -> bool:
    """At least as good on every tier, and better on one."""
    return all(a[tier] >= b[tier] - EQUAL for tier in b) and any(a[tier] > b[tier] + EQUAL for tier in b)


def undominated(
    profiles: Sequence[Mapping[str, float] | None], values: Values, barred: Set[int] = frozenset()
) -> Pick | None:
    """Of all pairs whose chosen dominates the rejected, and is dominated by none that could be chosen, the pair that is
    furthest apart in ``values``. ``profiles`` have one score per tier."""
    known = [(index, profile) for index, profile in enumerate(profiles) if profile is not None]
    free = [(index, profile) for index, profile in known if index not in barred]
    front = [(index, mine) for index, mine in free if not any(dominates(other, mine) for _, other in free)]
    best: tuple[float, Pick] | None = None
    for chosen, mine in front:
        for rejected, theirs in known:
            if dominates(mine, theirs):
                gap = (values[chosen] or 0.0) - (values[rejected] or 0.0)
                if best is None or gap > best[0] + EQUAL:
                    best = gap, (chosen, rejected)
    return None if best is None else best[1]


def next_matches(ranking: Sequence[int], met: Iterable[Set[int]], apart: Set[int] = frozenset()) -> list[Pick]:
    """The next round of a tournament: by turns the first and the last that is free, each against the nearest in the ranking
    that it has not met. So whoever finds nobody and sits the round out stands in the middle, where nothing is decided.
    Those in ``apart`` meet only each other."""
    done = {frozenset(match) for match in met}
    free, matches, from_the_top = list(ranking), list[Pick](), True
    while free:
        one = free.pop(0 if from_the_top else -1)
        nearest = free if from_the_top else reversed(free)
        other = next(
            (rival for rival in nearest if (rival in apart) == (one in apart) and frozenset((one, rival)) not in done),
            None,
        )
        if other is not None:
            free.remove(other)
            matches.append((one, other) if from_the_top else (other, one))
        from_the_top = not from_the_top
    return matches


def _nearest(candidates: list[tuple[float, int]], target: float) -> int | None:
    """The candidate whose score is nearest; of two as near the lower, of two equal ones the first."""
    if not candidates:
        return None
    if target == -math.inf:
        target = min(value for value, _ in candidates)
    distance = min(abs(value - target) for value, _ in candidates)
    near = [(value, index) for value, index in candidates if abs(value - target) <= distance + EQUAL]
    lowest = min(value for value, _ in near)
    return next(index for value, index in near if value <= lowest + EQUAL)


def _against(top: int, rival: int | None) -> Pick | None:
    return None if rival is None else (top, rival)
