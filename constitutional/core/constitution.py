"""A constitution as a value: tiers in order of priority, each with principles that apply to some prompts.

``where`` (``file:line:column``, for messages) and ``origin`` (the file or the name it came from, for people) say how a
part was written and not what it means: they are no part of equality or of the digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Force = Literal["hard", "strong", "soft"]
Mode = Literal["tiered", "draw", "all"]
OnUnresolved = Literal["reject", "refuse"]
Verdict = Literal["upholds", "violates"]


@dataclass(frozen=True, slots=True)
class Example:
    """A unit test of a principle: ``response`` with its ``verdict``, or ``better`` and ``worse``; the others are None."""

    prompt: str
    response: str | None = None
    verdict: Verdict | None = None
    better: str | None = None
    worse: str | None = None
    where: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class PluginUse:
    """A plugin named by a principle, used for that principle instead of the run's."""

    plugin: str
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    where: str = field(default="", compare=False)


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
    judge: PluginUse | None = None
    critic: PluginUse | None = None
    examples: tuple[Example, ...] = ()
    lint_ignore: frozenset[str] = frozenset()
    """Lint rules that are silenced for this principle, by itself or by the file that it came from."""
    origin: str = field(default="", compare=False)
    where: str = field(default="", compare=False)

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
    where: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Constitution:
    name: str
    version: str
    tiers: tuple[Tier, ...]
    contexts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """tag → (tier or principle id → factor on its weight); a factor of 0 switches it off for that tag."""
    mode: Mode = "tiered"
    on_unresolved: OnUnresolved = "reject"
    """What becomes of a response that still violates a hard principle when the rounds are spent."""
    description: str = ""
    lint_ignore: frozenset[str] = frozenset()
    """Lint rules that are silenced in the whole file."""

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
