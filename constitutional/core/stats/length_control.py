"""A win rate as it would be if both answers were equally long, in the manner of AlpacaEval's length-controlled one."""

from __future__ import annotations

from collections.abc import Sequence
from math import erfc, fsum, sqrt, tanh
from random import Random
from typing import NamedTuple

from constitutional.core.stats.intervals import LEVEL, Interval, quantile
from constitutional.core.stats.regression import logistic, sigmoid

Game = tuple[float, float]
"""How the comparison went for the first (1, ½, 0), and by how much its answer was longer."""
RESAMPLES = 300


class Controlled(NamedTuple):
    interval: Interval
    p_value: float
    slope: float
    """How much of the outcome follows length: the log-odds between an answer that is much longer and one as long."""


def length_controlled(groups: Sequence[Sequence[Game]], *, resamples: int = RESAMPLES) -> Controlled | None:
    """P(win) = σ(a + b·tanh(difference in length / its spread)); the rate is σ(a). ``groups`` are the games of one prompt
    each. AlpacaEval's model has a term for how hard a prompt is besides, which takes many models to fit; with two it
    would be one term per game. The interval is a bootstrap over groups, the test Wald's with the prompts as clusters."""
    games = [game for group in groups for game in group]
    if not games:
        return None
    spread = sqrt(fsum(longer * longer for _, longer in games) / len(games)) or 1.0
    scaled = [[(_inside(y, len(games)), tanh(longer / spread)) for y, longer in group] for group in groups]
    slope, log_odds = _fit([game for group in scaled for game in group])
    chance, drawn = Random(0), []
    for _ in range(resamples):
        again = [game for group in chance.choices(scaled, k=len(scaled)) for game in group]
        drawn.append(sigmoid(_fit(again)[1]))
    drawn.sort()
    low, high = quantile(drawn, (1 - LEVEL) / 2), quantile(drawn, (1 + LEVEL) / 2)
    rate = sigmoid(log_odds)
    return Controlled(Interval(rate, min(low, rate), max(high, rate)), _wald(scaled, slope, log_odds), slope)


def _inside(y: float, n: int) -> float:
    """No finite number of wins makes a win certain: one tie is shared out among all games."""
    return (n * y + 0.5) / (n + 1)


def _fit(games: Sequence[Game]) -> tuple[float, float]:
    return logistic([x for _, x in games], [y for y, _ in games], intercept=True)


def _wald(groups: Sequence[Sequence[Game]], slope: float, log_odds: float) -> float:
    """Of the log-odds, with the sandwich variance: what games of one prompt have in common counts once."""
    aa = ab = bb = ss_aa = ss_ab = ss_bb = 0.0
    for group in groups:
        by_a = by_b = 0.0
        for y, x in group:
            p = sigmoid(log_odds + slope * x)
            weight = p * (1 - p)
            aa, ab, bb = aa + weight, ab + weight * x, bb + weight * x * x
            by_a, by_b = by_a + y - p, by_b + (y - p) * x
        ss_aa, ss_ab, ss_bb = ss_aa + by_a * by_a, ss_ab + by_a * by_b, ss_bb + by_b * by_b
    if bb <= 1e-12:
        variance = ss_aa / (aa * aa)
    else:
        area = aa * bb - ab * ab
        if area <= 1e-12:
            return 1.0
        first, second = bb / area, -ab / area
        variance = first * first * ss_aa + 2 * first * second * ss_ab + second * second * ss_bb
    if variance <= 0:
        return 1.0 if log_odds == 0 else 0.0
    return erfc(abs(log_odds) / sqrt(2 * variance))
