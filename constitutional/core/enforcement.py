"""What each force asks of the revise loop. Pure: who is revised, how often, and whether a revision may stay."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import replace
from random import Random

from constitutional.core.constitution import Constitution, Force, Principle, Tier
from constitutional.core.records import Critique, Response


def attempts(force: Force, rounds: int) -> int:
    """A hard or a strong violation is revised until it is satisfied or the rounds are spent, a soft one once."""
    return min(rounds, 1) if force == "soft" else rounds


def guarded(constitution: Constitution, tags: Iterable[str], tier: Tier) -> tuple[Principle, ...]:
    """The principles that a revision for this tier must not break: all that apply in it and above it."""
    above = [item.id for item in constitution.tiers].index(tier.id)
    ids = {item.id for item in constitution.tiers[: above + 1]}
    return tuple(principle for owner, principle in constitution.applicable(tags) if owner.id in ids)


def broken_tier(constitution: Constitution, violated: Set[str]) -> str | None:
    """The highest hard tier with a violated principle: such a response is never chosen."""
    hard = (tier.id for tier, principle in constitution if tier.force == "hard" and principle.id in violated)
    return next(hard, None)


def violators(
    constitution: Constitution, critiques: Iterable[Critique], responses: Iterable[Response]
) -> dict[str, str]:
    """Response id → the hard tier that it breaks, of those that break one."""
    violated: dict[str, set[str]] = {}
    for critique in critiques:
        if critique.violates:
            violated.setdefault(critique.response_id, set()).add(critique.principle_id)
    tiers = {response.id: broken_tier(constitution, violated.get(response.id, set())) for response in responses}
    return {name: tier for name, tier in tiers.items() if tier is not None}


def in_force(constitution: Constitution) -> Constitution:
    """The constitution as its mode means it: `tiered` as written; `all` and `draw` know no priorities, so that every
    principle stands in one strong tier without tolerance (factors on tiers become factors on their principles)."""
    if constitution.mode == "tiered":
        return constitution
    members = {tier.id: [principle.id for principle in tier.principles] for tier in constitution.tiers}
    contexts = {}
    for tag, factors in constitution.contexts.items():
        own = {principle.id: factors.get(principle.id, 1.0) for _, principle in constitution}
        for tier_id, principle_ids in members.items():
            own |= {name: own[name] * factors.get(tier_id, 1.0) for name in principle_ids}
        contexts[tag] = own
    everything = tuple(principle for _, principle in constitution)
    return replace(constitution, tiers=(Tier("all", "strong", everything),), contexts=contexts)


def draw(constitution: Constitution, tags: Iterable[str], random: Random) -> tuple[Tier, Principle] | None:
    """One principle at random, in proportion to its weight; None where none applies."""
    present = tuple(tags)
    applicable = constitution.applicable(present)
    if not applicable:
        return None
    weights = [constitution.weight(tier, principle, present) for tier, principle in applicable]
    return random.choices(applicable, weights)[0]
