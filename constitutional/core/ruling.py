"""From judgements under single principles to the constitution's ruling: tiers decide in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from constitutional.core.constitution import Constitution
from constitutional.core.records import Conflict, Judgement, Response, Ruling, TierOpinion

NO_VERDICT = "no readable verdict"
TIED = "every tier ties"
ROUNDING = 1e-9
"""No label may come from how floating point rounds ``|P − ½|``: at the tolerance itself, both orders tie."""


def rule(
    constitution: Constitution,
    tags: Iterable[str],
    a: Response,
    b: Response,
    judgements: Iterable[Judgement],
    violators: Mapping[str, str] | None = None,
) -> Ruling:
    """Lexicographic: a response that violates a hard principle loses to one that does not (a veto); else the highest
    tier whose ``|P − ½|`` exceeds its tolerance decides; inside a tier P is the weighted mean of its judgements.
    ``violators`` names the hard tier that each violating response broke."""
    opinions = tier_opinions(constitution, tuple(tags), judgements)
    vetoed = violators or {}
    if (a.id in vetoed) != (b.id in vetoed):
        p, loser = (0.0, a) if a.id in vetoed else (1.0, b)
        return Ruling(a.id, b.id, p, vetoed[loser.id], opinions, vetoed_by=vetoed[loser.id])
    if not opinions:
        return Ruling(a.id, b.id, None, None, abstained_because=NO_VERDICT)
    tolerance = {tier.id: tier.tolerance for tier in constitution.tiers}
    clear = [opinion for opinion in opinions if abs(opinion.p - 0.5) > tolerance[opinion.tier_id] + ROUNDING]
    if not clear:
        return Ruling(a.id, b.id, None, None, opinions, abstained_because=TIED)
    decider, lower = clear[0], clear[1:]
    conflicts = tuple(
        Conflict(opinion.tier_id, opinion.p, decider.tier_id, decider.p)
        for opinion in lower
        if (opinion.p - 0.5) * (decider.p - 0.5) < 0
    )
    return Ruling(a.id, b.id, decider.p, decider.tier_id, opinions, conflicts=conflicts)


def tier_opinions(
    constitution: Constitution, tags: tuple[str, ...], judgements: Iterable[Judgement]
) -> tuple[TierOpinion, ...]:
    """One weighted mean per tier that has a readable judgement, highest tier first."""
    read = {judgement.principle_id: judgement.p for judgement in judgements if judgement.p is not None}
    opinions = []
    for tier in constitution.tiers:
        weighted = [
            (constitution.weight(tier, principle, tags), read[principle.id])
            for principle in tier.principles
            if principle.id in read
        ]
        total = sum(weight for weight, _ in weighted)
        if total > 0:
            opinions.append(TierOpinion(tier.id, sum(weight * p for weight, p in weighted) / total))
    return tuple(opinions)
