"""Which pairs a round is trained on: its own, and some of earlier rounds, so that it forgets nothing. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from constitutional.core.digest import random_for
from constitutional.training.iterate.settings import Mix

Row = dict[str, Any]


class Mixed(NamedTuple):
    rows: list[Row]
    counts: dict[str, int]


def mixed(pairs: Mapping[int, Sequence[Row]], number: int, mix: Mix, seed: int) -> Mixed:
    """All pairs of round ``number``, which are the share ``mix.new``; the first round's and those between fill the rest.

    No pair is taken twice, so a part that has too few gives what it has, and the other part fills up. Which are drawn
    depends on the seed and the round alone."""
    new = list(pairs[number])
    first = list(pairs[1]) if number > 1 else []
    earlier = [row for between in range(2, number) for row in pairs[between]]
    wanted = len(new) / mix.new
    old_first, old_earlier = _filled(wanted * mix.first, len(first), wanted * mix.earlier, len(earlier))
    rows = [*new, *_drawn(first, old_first, seed, f"{number}:first")]
    rows += _drawn(earlier, old_earlier, seed, f"{number}:earlier")
    return Mixed(rows, {"new": len(new), "first": old_first, "earlier": old_earlier})


def _filled(a: float, most_a: int, b: float, most_b: int) -> tuple[int, int]:
    """How many of each, where each gives up to what it has and fills up for the other."""
    total = round(a + b)
    from_a = min(round(a), most_a)
    from_b = min(total - from_a, most_b)
    return min(total - from_b, most_a), from_b


def _drawn(rows: Sequence[Row], count: int, seed: int, purpose: str) -> list[Row]:
    places = random_for(seed, purpose, "replay").sample(range(len(rows)), count)
    return [rows[place] for place in sorted(places)]
