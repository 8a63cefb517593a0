"""Who is strongest by all comparisons: Bradley-Terry strengths on Elo's scale, with intervals over prompts. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from math import log
from random import Random
from typing import Any

from constitutional.core.stats.intervals import LEVEL, quantile
from constitutional.core.stats.ranking import bradley_terry
from constitutional.evaluation.measures import Game

MIDDLE, POINTS = 1000.0, 400 / log(10)
"""The mean rating, and how many points one log-odds is worth: 400 points are odds of ten to one."""
RESAMPLES = 300
Wins = Counter[tuple[str, str]]


def rating(names: Sequence[str], games: Sequence[Game]) -> dict[str, Any]:
    """A tie is half a win of each. Ratings are about their mean, so that their intervals are not those of differences."""
    by_prompt: dict[str, Wins] = defaultdict(Counter)
    for game in games:
        by_prompt[game.prompt][game.first, game.second] += game.outcome  # type: ignore[assignment]
        by_prompt[game.prompt][game.second, game.first] += 1 - game.outcome  # type: ignore[assignment]
    groups = list(by_prompt.values())
    if not groups:
        return {"scale": "elo", "mean": MIDDLE, "games": 0, "models": []}
    value, chance = _strengths(groups), Random(0)
    drawn = [_strengths(chance.choices(groups, k=len(groups))) for _ in range(RESAMPLES)]
    rows = []
    for name in sorted(value, key=lambda name: -value[name]):
        ordered = sorted(one[name] for one in drawn if name in one)
        low, high = (quantile(ordered, share) for share in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
        rating = MIDDLE + POINTS * value[name]
        rows.append({
            "name": name,
            "rating": rating,
            "low": min(rating, MIDDLE + POINTS * low),
            "high": max(rating, MIDDLE + POINTS * high),
        })  # fmt: skip
    return {"scale": "elo", "mean": MIDDLE, "games": len(games), "models": rows}


def _strengths(groups: Sequence[Wins]) -> dict[str, float]:
    wins: dict[tuple[str, str], float] = defaultdict(float)
    for group in groups:
        for pair, won in group.items():
            wins[pair] += won
    return bradley_terry(wins)
