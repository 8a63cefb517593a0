"""Rules that need no model: each looks at one answer and is upheld or not, always the same for the same answer."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from constitutional.builtin.options import Pattern
from constitutional.core.contacts import KINDS, Kind, contacts
from constitutional.core.hygiene import runs_away
from constitutional.core.language import KNOWN, language
from constitutional.core.stats.text import repeated, words

_BETWEEN_SENTENCES = re.compile(r"(?<=[.!?…])[\"'”’)]*\s+|(?<=[。！？])|\n+")
_FENCED = re.compile(r"\A\s*```\w*\n(.*?)\n?```\s*\Z", re.DOTALL)
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")


def _known(codes: list[str]) -> list[str]:
    unknown = sorted(set(codes) - set(KNOWN))
    if unknown or not codes:
        raise ValueError(f"it does not know {', '.join(unknown) or 'no language'}; it knows {', '.join(KNOWN)}")
    return codes


class Rule(BaseModel):
    model_config = ConfigDict(extra="forbid")

    weight: float = Field(default=1.0, gt=0)
    name: str | None = None

    def upheld(self, text: str) -> bool:
        raise NotImplementedError

    @property
    def title(self) -> str:
        return self.name or str(self.model_dump()["check"])


class Matches(Rule):
    """The regular expression is found somewhere."""

    check: Literal["matches"]
    pattern: Pattern

    def upheld(self, text: str) -> bool:
        return re.search(self.pattern, text) is not None


class Lacks(Rule):
    """The regular expression is found nowhere."""

    check: Literal["lacks"]
    pattern: Pattern

    def upheld(self, text: str) -> bool:
        return re.search(self.pattern, text) is None


class Length(Rule):
    """So long, ends included. Scripts without spaces count a word per character."""

    check: Literal["length"]
    unit: Literal["characters", "words", "sentences"] = "words"
    least: int = Field(default=0, ge=0)
    most: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _some_length(self) -> Length:
        if (self.most is not None and self.most < self.least) or (self.most is None and not self.least):
            raise ValueError("give `least`, `most`, or both with `least` no greater than `most`")
        return self

    def upheld(self, text: str) -> bool:
        return self.least <= measured(text, self.unit) and (self.most is None or measured(text, self.unit) <= self.most)


class Keywords(Rule):
    """Whole words or phrases, in any case: one of ``any``, every one of ``all``, none of ``none``."""

    check: Literal["keywords"]
    any: list[str] = []
    all: list[str] = []
    none: list[str] = []

    @model_validator(mode="after")
    def _some_words(self) -> Keywords:
        given = [*self.any, *self.all, *self.none]
        if not given or "" in (word.strip() for word in given):
            raise ValueError("give words under `any`, `all` or `none`")
        return self

    def upheld(self, text: str) -> bool:
        return (
            (not self.any or bool(_found(self.any, text)))
            and len(_found(self.all, text)) == len(self.all)
            and not _found(self.none, text)
        )


class Language(Rule):
    """Written in one of these languages. An answer whose language cannot be told (too short, mixed, code) passes."""

    check: Literal["language"]
    one_of: Annotated[list[str], AfterValidator(_known)]

    def upheld(self, text: str) -> bool:
        return language(text) in {None, *self.one_of}


class ValidJson(Rule):
    """The whole answer is JSON, a code fence around it or not; with ``keys``, an object that has them."""

    check: Literal["json"]
    keys: list[str] = []

    def upheld(self, text: str) -> bool:
        fenced = _FENCED.match(text)
        try:
            value: Any = json.loads(fenced[1] if fenced else text)
        except (ValueError, RecursionError):
            return False
        return not self.keys or (isinstance(value, dict) and all(key in value for key in self.keys))


class NoContacts(Rule):
    """Holds no contact data."""

    check: Literal["no-contacts"]
    kinds: list[Kind] = Field(default=list(KINDS), min_length=1)

    def upheld(self, text: str) -> bool:
        return not set(contacts(text)) & set(self.kinds)


class NoRepetition(Rule):
    """No phrase comes again and again, and at most this share of its four-word phrases was said before."""

    check: Literal["no-repetition"]
    most: float = Field(default=0.3, ge=0, le=1)

    def upheld(self, text: str) -> bool:
        return not runs_away(text) and repeated(text) <= self.most


AnyRule: TypeAlias = Annotated[
    Matches | Lacks | Length | Keywords | Language | ValidJson | NoContacts | NoRepetition, Field(discriminator="check")
]


class Rules(BaseModel):
    """What the judge and the scorer have in common."""

    model_config = ConfigDict(extra="forbid")

    rules: Annotated[list[AnyRule], Field(min_length=1)] = Field(description="What is checked.")

    def share(self, text: str) -> float:
        """The weight of the rules that the text upholds, as a share of all."""
        upheld = sum(rule.weight for rule in self.rules if rule.upheld(text))
        return upheld / sum(rule.weight for rule in self.rules)

    def broken(self, text: str) -> list[str]:
        return [rule.title for rule in self.rules if not rule.upheld(text)]


def measured(text: str, unit: Literal["characters", "words", "sentences"]) -> int:
    if unit == "characters":
        return len(text)
    if unit == "words":
        return len(words(text))
    return sum(bool(re.search(r"\w", part)) for part in _BETWEEN_SENTENCES.split(text))


def _found(wanted: list[str], text: str) -> list[str]:
    return [word for word in wanted if _keyword(word).search(text)]


def _keyword(word: str) -> re.Pattern[str]:
    """Bounded like a word where it ends in a letter of a script that has spaces between words."""
    stripped = word.strip()
    before, after = (
        "" if not end.isalnum() or _CJK.match(end) else edge
        for end, edge in ((stripped[0], r"(?<!\w)"), (stripped[-1], r"(?!\w)"))
    )
    spaced = r"\s+".join(re.escape(part) for part in stripped.split())
    return re.compile(f"{before}{spaced}{after}", re.IGNORECASE)
