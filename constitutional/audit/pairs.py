"""A pair of answers with what people said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import fsum

from constitutional.core.digest import digest
from constitutional.core.records import Prompt, Response

TIE = 0.5


def answer(prompt: Prompt, text: str, author: str) -> Response:
    return Response(f"{prompt.id}.{digest(text)[:8]}", prompt.id, text, author, 0, "")


@dataclass(frozen=True, slots=True)
class Labelled:
    """``votes``: annotator → how much better a is: 1, 0, or ½ for a tie (a share of people may lie between)."""

    id: str
    prompt: Prompt
    a: Response
    b: Response
    votes: Mapping[str, float]
    principle: str | None = None
    """The one principle that was labelled; None: which answer is better on the whole."""
    drawn_by: str = ""
    """How `constitutional sample` chose it, where it did."""
    source: str = ""

    @property
    def share(self) -> float:
        """The share of people who say that a is better."""
        return fsum(self.votes.values()) / len(self.votes)

    @property
    def side(self) -> int:
        """1 where more people prefer a, -1 where b, 0 for a tie."""
        return (self.share > TIE) - (self.share < TIE)

    def turned(self) -> Labelled:
        """The same with a and b exchanged."""
        return replace(self, a=self.b, b=self.a, votes={name: 1 - vote for name, vote in self.votes.items()})
