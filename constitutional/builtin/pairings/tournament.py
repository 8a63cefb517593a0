"""Fewer comparisons: a Swiss tournament, ranked by Bradley-Terry after every round."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

from pydantic import Field

from constitutional.builtin.pairings.candidates import Among, AmongOptions, Candidates, candidates, count
from constitutional.core.digest import random_for
from constitutional.core.pairing import EQUAL, Pick, next_matches
from constitutional.core.records import Reason, Reject, Ruling
from constitutional.core.stats.ranking import bradley_terry
from constitutional.roles import Arena, Needs, Setup


class TournamentOptions(AmongOptions):
    comparisons: int | None = Field(
        default=None,
        ge=1,
        description="Most comparisons before the last one, which is of the first against the last.",
    )


class Tournament:
    """In each round those that stand next to each other and have not met are compared. At the end the strongest is set
    against the weakest, and that ruling is the label. What a veto decides is not asked: an answer that violates a hard
    principle has lost against each that does not."""

    def __init__(self, setup: Setup) -> None:
        options: TournamentOptions = setup.options
        self._among: Among = options.among
        self._comparisons = options.comparisons
        self._seed = setup.seed

    def needs(self, sampled: int, revised: int) -> Needs:
        n = count(self._among, sampled, revised)
        return Needs(0, min(self._budget(n) + 1, n * (n - 1) // 2))

    async def pair(self, arena: Arena) -> Sequence[Ruling | Reject]:
        found = candidates(arena, self._among)
        if (fruitless := found.fruitless) is not None:
            return fruitless
        played = await self._play(arena, found)
        strength = _strength(found, played)
        free = [place for place in range(len(found.responses)) if place not in found.barred]
        first = max(free, key=lambda place: strength[place])
        last = min(range(len(found.responses)), key=lambda place: strength[place])
        if strength[first] - strength[last] < EQUAL:
            return [_all_equal(found, played)]
        ruling = played.get((first, last)) or played.get((last, first))
        return [ruling or await arena.compare(found.responses[first], found.responses[last])]

    async def _play(self, arena: Arena, found: Candidates) -> dict[Pick, Ruling]:
        n, played = len(found.responses), dict[Pick, Ruling]()
        order = list(range(n))
        random_for(self._seed, arena.prompt.id, "tournament").shuffle(order)
        budget = self._budget(n)
        for _ in range(n):
            matches = next_matches(order, (set(match) for match in played), found.barred)[: budget - len(played)]
            if not matches:
                break
            rulings = await asyncio.gather(
                *(arena.compare(found.responses[one], found.responses[other]) for one, other in matches)
            )
            played |= zip(matches, rulings, strict=True)
            strength = _strength(found, played)
            order.sort(key=lambda place: -strength[place])
        return played

    def _budget(self, n: int) -> int:
        rounds = (n - 1).bit_length() if n > 1 else 0
        return rounds * (n // 2) if self._comparisons is None else self._comparisons


def _strength(found: Candidates, played: Mapping[Pick, Ruling]) -> dict[int, float]:
    """Bradley-Terry strengths, of those that have not played too. A tie is half a win of each; where no verdict could be
    read nobody has won."""
    wins: defaultdict[tuple[str, str], float] = defaultdict(float)
    names = [str(place) for place in range(len(found.responses))]
    for (one, other), ruling in played.items():
        if ruling.p is not None or ruling.per_tier:
            p = 0.5 if ruling.p is None else ruling.p
            wins[names[one], names[other]] += p
            wins[names[other], names[one]] += 1 - p
    for loser in found.barred:
        for winner in set(range(len(names))) - found.barred:
            wins[names[winner], names[loser]] += 1
    strengths = bradley_terry(wins)
    return {place: round(strengths.get(name, 0.0), 9) for place, name in enumerate(names)}


def _all_equal(found: Candidates, played: Mapping[Pick, Ruling]) -> Reject:
    read = sum(bool(ruling.per_tier) for ruling in played.values())
    reason = Reason.TIE if read else Reason.ABSTAINED
    return found.reject(reason, f"{len(played)} comparisons of {len(found.responses)} answers left all equal")
