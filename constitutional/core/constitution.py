"""A constitution as a value: tiers in order of priority, each with principles that apply to some prompts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

Force = Literal["hard", "strong", "soft"]


@dataclass(frozen=True, slots=True)
class Principle:
    """One testable rule. ``critique``, ``revision`` and ``prefer`` say how to ask; each defaults to the statement."""

    id: str
    statement: str
    critique: str = ""
    revision: str = ""
    prefer: str = ""
    weight: float = 1.0
    tags: frozenset[str] = frozenset()
    unless: frozenset[str] = frozenset()

    def applies_to(self, tags: Iterable[str]) -> bool:
        present = set(tags)
        return (not self.tags or bool(self.tags & present)) and not (self.unless & present)


@dataclass(frozen=True, slots=True)
class Tier:
    id: str
    force: Force
    principles: tuple[Principle, ...]
    tolerance: float = 0.0
    """``|P − ½|`` up to this is a tie, and the next tier decides."""


@dataclass(frozen=True, slots=True)
class Constitution:
    name: str
    version: str
    tiers: tuple[Tier, ...]
    contexts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """tag → (tier or principle id → factor on its weight); a factor of 0 switches it off for that tag."""

    def __iter__(self) -> Iterator[tuple[Tier, Principle]]:
        return ((tier, principle) for tier in self.tiers for principle in tier.principles)

    def weight(self, tier: Tier, principle: Principle, tags: Iterable[str]) -> float:
        weight = principle.weight
        for tag in tags:
            factors = self.contexts.get(tag, {})
            weight *= factors.get(tier.id, 1.0) * factors.get(principle.id, 1.0)
        return weight

    def applicable(self, tags: Iterable[str]) -> tuple[tuple[Tier, Principle], ...]:
        """The principles that count for a prompt with these tags, highest tier first."""
        present = tuple(tags)
        return tuple(
            (tier, principle)
            for tier, principle in self
            if principle.applies_to(present) and self.weight(tier, principle, present) > 0
        )
