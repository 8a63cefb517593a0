"""From the scores of responses under single principles to grades that can be compared with each other.

A grade has a mean per tier and one number over all tiers, in which each tier counts twice the next. It only proposes which
responses are compared: the label comes from the ruling, which is lexicographic. A number is needed for that proposal
because strategies measure distances (the mean, a standard deviation below it), and it is not lexicographic because scores
are noisy: the first hundredth of the first tier would decide everything. Weights that halve keep the order of the tiers:
what one tier has in favour of a response, all tiers below it together can only outweigh by differing more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import NamedTuple

from constitutional.core.constitution import Constitution
from constitutional.core.records import Score


class Grade(NamedTuple):
    overall: float
    """0 to 1."""
    tiers: Mapping[str, float]
    """The mean of each tier that could be scored, highest tier first."""


def grade(
    constitution: Constitution, tags: Iterable[str], scores: Iterable[Score], of: Set[str] | None = None
) -> Grade | None:
    """None where nothing could be scored. ``of`` leaves all other principles out."""
    read = {item.principle_id: item.value for item in scores if of is None or item.principle_id in of}
    present, factor, total, weight_of_all = tuple(tags), 1.0, 0.0, 0.0
    tiers: dict[str, float] = {}
    for tier in constitution.tiers:
        weighted = [
            (constitution.weight(tier, principle, present), value)
            for principle in tier.principles
            if (value := read.get(principle.id)) is not None
        ]
        weight = sum(part for part, _ in weighted)
        if weight > 0:
            tiers[tier.id] = sum(part * value for part, value in weighted) / weight
            total, weight_of_all = total + factor * tiers[tier.id], weight_of_all + factor
        factor /= 2
    return Grade(total / weight_of_all, tiers) if weight_of_all else None


def scalar(constitution: Constitution, tags: Iterable[str], scores: Iterable[Score]) -> float | None:
    """The overall grade of one response."""
    made = grade(constitution, tags, scores)
    return None if made is None else made.overall


def grades(constitution: Constitution, tags: Iterable[str], scored: Sequence[Sequence[Score]]) -> list[Grade | None]:
    """One grade per response, all over the same principles, so that no response leads because a principle that it does
    badly on could not be read. A principle that most responses lack counts for none of them; a response that lacks one of
    the others has no grade."""
    read = [{score.principle_id for score in scores if score.value is not None} for scores in scored]
    counts = Counter(name for names in read for name in names)
    shared = {name for name, count in counts.items() if 2 * count > sum(bool(names) for names in read)}
    present = tuple(tags)
    return [
        grade(constitution, present, scores, shared) if names >= shared else None
        for names, scores in zip(read, scored, strict=True)
    ]
