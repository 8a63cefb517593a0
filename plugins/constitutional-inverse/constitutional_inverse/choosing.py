"""What a rule is worth on the data, and the best rules under a budget. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HELPS, HURTS, SILENT = 1, -1, 0
SAME_VOTES = 0.9
"""Rules that vote alike on so much of what either speaks of are one rule in two wordings."""


@dataclass(frozen=True, slots=True)
class Rule:
    """``votes[i]``: whether it says of preference i what people said (1), the contrary (−1) or nothing (0)."""

    statement: str
    votes: tuple[int, ...]

    @property
    def relevance(self) -> float:
        return _share(sum(vote != SILENT for vote in self.votes), len(self.votes))

    @property
    def accuracy(self) -> float:
        """Where it speaks; one half of a rule that never does."""
        helps, hurts = self.votes.count(HELPS), self.votes.count(HURTS)
        return helps / (helps + hurts) if helps + hurts else 0.5

    @property
    def worth(self) -> float:
        return worth(self.accuracy, self.relevance)


def worth(accuracy: float, relevance: float) -> float:
    """(accuracy − ½) × relevance × 2: a rule that is always right about everything is worth 1, one that is always wrong
    −1, and one that guesses, or never speaks, 0."""
    return (accuracy - 0.5) * relevance * 2


def keep(rules: Sequence[Rule], budget: int, least: float) -> list[Rule]:
    """The most worth first, at most ``budget`` of them; none that votes as one before it does."""
    kept: list[Rule] = []
    for rule in sorted(rules, key=lambda rule: (-rule.worth, len(rule.statement), rule.statement)):
        if len(kept) == budget or rule.worth < least:
            break
        if not any(_same_votes(rule, other) for other in kept):
            kept.append(rule)
    return kept


def _same_votes(one: Rule, other: Rule) -> bool:
    spoken = [pair for pair in zip(one.votes, other.votes, strict=True) if pair != (SILENT, SILENT)]
    return _share(sum(a == b for a, b in spoken), len(spoken)) >= SAME_VOTES


def recovered(worths: Mapping[str, float], votes: Mapping[str, Sequence[int]]) -> tuple[float, float]:
    """Of held-out preferences: the share on which the rules together say anything, and how often they are right there.
    Each rule's vote counts as much as the rule is worth."""
    count = max((len(row) for row in votes.values()), default=0)
    sums = [sum(worths[name] * row[place] for name, row in votes.items()) for place in range(count)]
    spoken = [value for value in sums if abs(value) > 1e-12]
    return _share(len(spoken), count), _share(sum(value > 0 for value in spoken), len(spoken))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
