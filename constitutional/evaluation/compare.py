"""Values with intervals, differences with tests, and one verdict per difference. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp

from constitutional.core.stats.intervals import Interval, bootstrap_mean, bootstrap_ratio, wilson
from constitutional.core.stats.length_control import length_controlled
from constitutional.core.stats.paired import holm, sign_flip
from constitutional.evaluation.measures import Game, Parts, about, against
from constitutional.evaluation.result import Comparison, Measured, Verdict

LEVEL = 0.05
"""A difference is called one where its adjusted p is under this."""
WORK, FEWEST, MOST = 500_000, 300, 2_000
"""Resamples are as many as make about so many items in all, within these bounds."""
WIN, CONTROLLED, PERPLEXITY = "win_rate", "win_rate_length_controlled", "perplexity"
EVEN = 0.5


@dataclass(frozen=True, slots=True)
class Difference:
    """Before it is known how many others there are."""

    model: str
    against: str
    measure: str
    interval: Interval
    p_value: float
    n: int
    moved: bool = True
    """Whether any prompt differs. Where none does there is no test: no p could have been under 1."""

    @property
    def detail(self) -> bool:
        """A part of a measure: of one tier, principle or tag."""
        return "/" in self.measure


def measured(measure: str, parts: Parts) -> Measured | None:
    """The interval is a bootstrap over prompts. Of a share that every answer has, or none, the bootstrap knows no
    uncertainty; it is then Wilson's."""
    rows = list(parts.values())
    n = int(sum(count for _, count in rows))
    interval = bootstrap_ratio(rows, resamples=resamples(len(rows)))
    if interval is None:
        return None
    if about(measure).share and interval.low == interval.high and interval.value in (0.0, 1.0):
        interval = wilson(interval.value * len(rows), len(rows)) or interval
    if measure == PERPLEXITY:
        interval = Interval(*map(exp, interval))
    return Measured(*interval, n)


def difference(model: str, base: str, measure: str, parts: Parts, before: Parts) -> Difference | None:
    """Over the prompts that say something of both, each with its part in the difference of the two ratios: resampling
    these leaves out what both have in common."""
    both = [prompt for prompt in parts if prompt in before]
    if not both:
        return None
    ours, theirs = _influence([parts[p] for p in both]), _influence([before[p] for p in both])
    each = [one - other for one, other in zip(ours, theirs, strict=True)]
    found = bootstrap_mean(each, resamples=resamples(len(each)))
    assert found is not None
    if measure == PERPLEXITY:
        level = exp(sum(total for total, _ in before.values()) / sum(count for _, count in before.values()))
        found = Interval(*(level * (exp(value) - 1) for value in found))
    return Difference(model, base, measure, found, sign_flip(each), len(both), any(each))


def win_rates(model: str, base: str, games: Sequence[Game]) -> tuple[dict[str, Measured], list[Difference]]:
    """Raw and length-controlled, and how far each is from even."""
    own = against(model, base, games)
    if not own:
        return {}, []
    by_prompt: dict[str, list[Game]] = {}
    for game in own:
        by_prompt.setdefault(game.prompt, []).append(game)
    parts = {prompt: (sum(game.outcome for game in rows), float(len(rows))) for prompt, rows in by_prompt.items()}
    raw = measured(WIN, parts)
    assert raw is not None
    each = [value - EVEN for value in _influence(list(parts.values()))]
    found = {WIN: raw}
    differences = [Difference(model, base, WIN, _less_half(raw), sign_flip(each), len(each), any(each))]
    controlled = length_controlled([[(game.outcome, game.longer) for game in rows] for rows in by_prompt.values()])
    if controlled is not None:
        found[CONTROLLED] = Measured(*controlled.interval, raw.n)
        p = controlled.p_value
        differences.append(Difference(model, base, CONTROLLED, _less_half(found[CONTROLLED]), p, len(each)))
    return found, differences


def judged(differences: Sequence[Difference]) -> list[Comparison]:
    """Holm's correction in two families: whole measures, and their parts (tiers, principles, tags). In each the chance
    that anything is called a difference where nothing differs is at most 5 %, half of it for either direction. A measure
    in which no prompt differs is no test, and does not count as one (Tarone)."""
    adjusted: dict[int, float] = dict.fromkeys(range(len(differences)), 1.0)
    for detail in (False, True):
        family = [place for place, one in enumerate(differences) if one.detail == detail and one.moved]
        adjusted |= dict(zip(family, holm([differences[place].p_value for place in family]), strict=True))
    return [
        Comparison(
            one.model, one.against, one.measure, *one.interval, one.p_value, adjusted[place],
            _verdict(one, adjusted[place]), one.n,
        )
        for place, one in enumerate(differences)
    ]  # fmt: skip


def compared(name: str, base: str, own: Mapping[str, Parts], before: Mapping[str, Parts]) -> list[Difference]:
    found = (
        difference(name, base, measure, parts, before[measure]) for measure, parts in own.items() if measure in before
    )
    return [one for one in found if one is not None]


def resamples(n: int) -> int:
    return max(FEWEST, min(MOST, WORK // max(1, n)))


def _verdict(one: Difference, p: float) -> Verdict:
    if p > LEVEL or one.interval.value == 0:
        return "indistinguishable"
    rises, better = one.interval.value > 0, about(one.measure).better
    if better is None:
        return "higher" if rises else "lower"
    return "improved" if rises == (better == "higher") else "worse"


def _influence(rows: Sequence[tuple[float, float]]) -> list[float]:
    """What each prompt says of the ratio: their mean is the ratio, and its spread theirs. Where all counts are equal these
    are the prompts' own means."""
    if len({count for _, count in rows}) == 1:
        return [total / count for total, count in rows]
    total, count = sum(total for total, _ in rows), sum(count for _, count in rows)
    ratio, usual = total / count, count / len(rows)
    return [ratio + (own - ratio * n) / usual for own, n in rows]


def _less_half(found: Measured) -> Interval:
    return Interval(found.value - EVEN, found.low - EVEN, found.high - EVEN)
