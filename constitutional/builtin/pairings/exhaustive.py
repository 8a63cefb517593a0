"""Strategies that have the judge compare every two answers, and need no scores."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Sequence

from pydantic import Field

from constitutional.builtin.pairings.candidates import Among, AmongOptions, Candidates, candidates, count
from constitutional.core.records import Reject, Ruling
from constitutional.roles import Arena, Needs, Setup


class AllPairsOptions(AmongOptions):
    most: int | None = Field(
        default=None, ge=1, description="Keep only the so many clearest of a prompt; default: all."
    )


class MaxMarginOptions(AmongOptions):
    pairs: int = Field(default=1, ge=1, description="So many of the clearest become pairs, no answer twice.")


class _EveryTwo:
    """Rules on every two answers; ``keep`` says which rulings become pairs. Where it keeps none, all say why."""

    def __init__(self, options: AmongOptions, keep: Callable[[list[Ruling]], list[Ruling]]) -> None:
        self._among: Among = options.among
        self._keep = keep

    def needs(self, sampled: int, revised: int) -> Needs:
        among = count(self._among, sampled, revised)
        return Needs(0, among * (among - 1) // 2)

    async def pair(self, arena: Arena) -> Sequence[Ruling | Reject]:
        found = candidates(arena, self._among)
        if (fruitless := found.fruitless) is not None:
            return fruitless
        rulings = await _all_rulings(arena, found)
        return self._keep(rulings) or rulings


def all_pairs(setup: Setup) -> _EveryTwo:
    """Every two answers."""
    options: AllPairsOptions = setup.options
    most = options.most
    return _EveryTwo(options, lambda rulings: rulings if most is None else clearest(rulings)[:most])


def max_margin(setup: Setup) -> _EveryTwo:
    """The clearest ruling of all: the judge's own margin decides, not the scorer's."""
    options: MaxMarginOptions = setup.options

    def keep(rulings: list[Ruling]) -> list[Ruling]:
        kept: list[Ruling] = []
        used: set[str] = set()
        for ruling in clearest(rulings):
            if len(kept) < options.pairs and not {ruling.a, ruling.b} & used:
                kept.append(ruling)
                used |= {ruling.a, ruling.b}
        return kept

    return _EveryTwo(options, keep)


def clearest(rulings: Sequence[Ruling]) -> list[Ruling]:
    """Those that take a side, the clearest first. Vetoes are all equally clear: then, and wherever else margins are equal,
    the one whose winner won more of its other comparisons goes first."""
    sided = [(ruling.p, ruling) for ruling in rulings if ruling.p is not None and ruling.p != 0.5]
    won: Counter[str] = Counter()
    for p, ruling in sided:
        won[ruling.a] += 1 if p > 0.5 else -1
        won[ruling.b] -= 1 if p > 0.5 else -1

    def rank(item: tuple[float, Ruling]) -> tuple[float, int]:
        p, ruling = item
        lead = won[ruling.a] - won[ruling.b]
        return (-round(abs(p - 0.5), 9), -lead if p > 0.5 else lead)

    return [ruling for _, ruling in sorted(sided, key=rank)]


async def _all_rulings(arena: Arena, found: Candidates) -> list[Ruling]:
    """Of two answers that both violate a hard principle no label can come: they are not compared."""
    places = itertools.combinations(range(len(found.responses)), 2)
    wanted = [place for place in places if not found.barred.issuperset(place)]
    return await asyncio.gather(
        *(arena.compare(found.responses[first], found.responses[second]) for first, second in wanted)
    )
