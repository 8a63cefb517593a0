"""Strategies that score every answer and compare one pair: the best against another one.

The scores only propose. The label is the judge's ruling on the two, which may turn out the other way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pydantic import Field

from constitutional.builtin.pairings.candidates import AmongOptions, candidates, count
from constitutional.core.digest import random_for
from constitutional.core.pairing import Pick, Values, best_and_low, best_and_random, best_and_worst
from constitutional.core.records import Reject, Ruling
from constitutional.roles import Arena, Needs, Setup


class MuMinusOptions(AmongOptions):
    sigmas: float = Field(
        default=2.0, ge=0, le=10, description="The rejected one scores nearest to so many deviations below the mean."
    )


class Rule(Protocol):
    """Who is compared, from the overall scores; None where they do not say."""

    def __call__(self, values: Values, barred: frozenset[int], arena: Arena) -> Pick | None: ...


class _ByScore:
    """One score per answer, and one ruling."""

    def __init__(self, options: AmongOptions, rule: Rule) -> None:
        self._among = options.among
        self._rule = rule

    def needs(self, sampled: int, revised: int) -> Needs:
        return Needs(count(self._among, sampled, revised), 1)

    async def pair(self, arena: Arena) -> Sequence[Ruling | Reject]:
        found = candidates(arena, self._among)
        if (fruitless := found.fruitless) is not None:
            return fruitless
        graded = await arena.grades(found.responses)
        values = [None if item is None else item.overall for item in graded]
        pick = self._rule(values, found.barred, arena)
        if pick is None:
            return [found.unranked(values)]
        chosen, rejected = pick
        return [await arena.compare(found.responses[chosen], found.responses[rejected])]


def best_vs_worst(setup: Setup) -> _ByScore:
    return _ByScore(setup.options, lambda values, barred, arena: best_and_worst(values, barred))


def best_vs_random(setup: Setup) -> _ByScore:
    """Random among all that score lower than the best."""

    def rule(values: Values, barred: frozenset[int], arena: Arena) -> Pick | None:
        return best_and_random(values, random_for(setup.seed, arena.prompt.id, "best-vs-random"), barred)

    return _ByScore(setup.options, rule)


def mu_minus_2_sigma(setup: Setup) -> _ByScore:
    """The published sweet spot: with many samples the very worst is worse than anything that needs unlearning."""
    options: MuMinusOptions = setup.options
    return _ByScore(options, lambda values, barred, arena: best_and_low(values, options.sigmas, barred))
