"""What a rule of the linter is, what it looks at and what it reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from constitutional.config.source import Loc, Source
from constitutional.core.constitution import Constitution, Principle, Tier

Severity = Literal["error", "warning", "note"]
FAILING: frozenset[Severity] = frozenset({"error", "warning"})
HALVES = ("statement", "critique", "revision", "prefer")


@dataclass(frozen=True, slots=True)
class Subject:
    """One principle that the file itself has, and where it stands."""

    tier: Tier
    item: Principle
    loc: Loc

    def halves(self) -> Iterator[tuple[str, str]]:
        """The keys that hold wording, with the wording, where there is any."""
        texts = (self.item.statement, self.item.critique, self.item.revision, self.item.prefer)
        return ((key, text) for key, text in zip(HALVES, texts, strict=True) if text)


@dataclass(frozen=True, slots=True)
class Draft:
    """A constitution file that loads: the linter asks whether it is also well written."""

    source: Source
    whole: Constitution
    """With what the file extends, which is not reported on but counts."""
    subjects: tuple[Subject, ...]

    @classmethod
    def of(cls, source: Source, whole: Constitution) -> Draft:
        known = {principle.id: (tier, principle) for tier, principle in whole}
        subjects = tuple(
            Subject(*known[item["id"]], ("tiers", t, "principles", p))
            for t, tier in enumerate(source.data.get("tiers", ()))
            for p, item in enumerate(tier.get("principles", ()))
        )
        return cls(source, whole, subjects)


@dataclass(frozen=True, slots=True)
class Hit:
    """What a rule found: where, in words of this very file, and what would be better if that can be said."""

    loc: Loc
    message: str
    suggestion: str = ""


Check = Callable[[Draft], Iterator[Hit]]
SubjectCheck = Callable[[Subject], Iterator[Hit]]


def each(check: SubjectCheck) -> Check:
    """A check of one principle, as a check of the file."""

    def every(draft: Draft) -> Iterator[Hit]:
        for subject in draft.subjects:
            yield from check(subject)

    return every


@dataclass(frozen=True, slots=True)
class Rule:
    """``bad`` and ``better`` are the example that is shown with the rule; the tests run both."""

    id: str
    severity: Severity
    reason: str
    bad: str
    better: str
    check: Check


@dataclass(frozen=True, slots=True)
class Finding:
    rule: str
    severity: Severity
    path: str
    line: int
    column: int
    principle: str | None
    message: str
    suggestion: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.rule}: {self.message}"
