"""What the judge says of a labelled pair."""

from __future__ import annotations

from dataclasses import dataclass

from constitutional.audit.pairs import TIE, Labelled
from constitutional.core.records import Judgement
from constitutional.core.ruling import ROUNDING

EVEN = 0.5


@dataclass(frozen=True, slots=True)
class Verdict:
    """Every p is P(a is better) by the constitution's ruling; None where it takes no side. ``p_ab`` and ``p_ba`` are the
    ruling by what was read in that order alone."""

    pair: Labelled
    p: float | None
    p_ab: float | None
    p_ba: float | None
    judgements: tuple[Judgement, ...] = ()
    because: str = ""
    """Why there is no p."""
    tied: bool = False
    """It was read, and every tier ties."""
    failure: str = ""
    """The short reason, where the judge could not even be asked."""

    @property
    def prompt_id(self) -> str:
        return self.pair.prompt.id

    @property
    def side(self) -> int:
        """1 for a, -1 for b, 0 for none."""
        return side(self.p)

    @property
    def right(self) -> float:
        return float(self.side == self.pair.side)

    @property
    def contested(self) -> bool:
        """People prefer one of the two."""
        return self.pair.share != TIE


def side(p: float | None) -> int:
    """As in a ruling, what rounding could make is no side."""
    return 0 if p is None else (p > EVEN + ROUNDING) - (p < EVEN - ROUNDING)
