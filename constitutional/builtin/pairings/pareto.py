"""A pair without a trade-off: on no tier is the chosen answer the worse one."""

from __future__ import annotations

from collections.abc import Sequence

from constitutional.builtin.pairings.candidates import Among, AmongOptions, candidates, count
from constitutional.core.constitution import Constitution
from constitutional.core.pairing import undominated
from constitutional.core.records import Reason, Reject, Response, Ruling
from constitutional.core.ruling import ROUNDING
from constitutional.roles import Arena, Needs, Setup


class Pareto:
    """By the scores no other answer is at least as good as the chosen one on every tier, and the rejected one is better on
    none. Of all such pairs the one that is furthest apart is compared. The judge must agree on every tier that is clear to
    it: else there is no pair."""

    def __init__(self, setup: Setup) -> None:
        options: AmongOptions = setup.options
        self._among: Among = options.among
        self._constitution = setup.constitution

    def needs(self, sampled: int, revised: int) -> Needs:
        return Needs(count(self._among, sampled, revised), 1)

    async def pair(self, arena: Arena) -> Sequence[Ruling | Reject]:
        found = candidates(arena, self._among)
        if (fruitless := found.fruitless) is not None:
            return fruitless
        graded = await arena.grades(found.responses)
        values = [None if item is None else item.overall for item in graded]
        profiles = [None if item is None else item.tiers for item in graded]
        pick = undominated(profiles, values, found.barred)
        if pick is None:
            known = [profile for profile in profiles if profile is not None]
            if len(known) < 2 or all(profile == known[0] for profile in known):
                return [found.unranked(values)]
            return [found.reject(Reason.TRADE_OFF, "no answer that may be chosen is as good as another on every tier")]
        chosen, rejected = (found.responses[place] for place in pick)
        ruling = await arena.compare(chosen, rejected)
        against = opposed(self._constitution, ruling, chosen)
        if against:
            return [
                found.reject(
                    Reason.TRADE_OFF, f"the judge prefers {rejected.id} to {chosen.id} on {', '.join(against)}"
                )
            ]
        return [ruling]


def opposed(constitution: Constitution, ruling: Ruling, chosen: Response) -> list[str]:
    """The tiers that clearly prefer the other response."""
    tolerance = {tier.id: tier.tolerance for tier in constitution.tiers}
    side = 1 if ruling.a == chosen.id else -1
    return [tier for tier, p in ruling.per_tier if (0.5 - p) * side > tolerance[tier] + ROUNDING]
