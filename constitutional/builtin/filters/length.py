"""Answers that are too short, or too unlike in length: a judge that likes length would teach nothing else."""

from __future__ import annotations

import math
from collections import Counter

from pydantic import Field

from constitutional.builtin.options import FilterOptions
from constitutional.core.records import Drop, Pair, Reason, Trace
from constitutional.roles import Dropped, Setup


class MinLengthOptions(FilterOptions):
    characters: int = Field(default=1, ge=1, description="The shorter answer of a pair has at least so many.")


class LengthRatioOptions(FilterOptions):
    most: float = Field(default=2.0, ge=1, description="The longer answer has at most so many times the characters.")
    slack: int = Field(default=50, ge=0, description="A difference of up to so many characters is fine in any case.")


class LengthMatchedOptions(FilterOptions):
    width: float = Field(
        default=0.25,
        gt=0,
        description="Pairs are matched whose log2 of the ratio of lengths differs by less than this.",
    )


class MinLength:
    """Answers shorter than this are no examples of anything."""

    def __init__(self, setup: Setup) -> None:
        options: MinLengthOptions = setup.options
        self._characters = options.characters

    def check(self, pair: Pair, trace: Trace) -> Dropped:
        shortest = min(len(pair.chosen.text), len(pair.rejected.text))
        return Reason.TOO_SHORT if shortest < self._characters else None


class LengthRatio:
    def __init__(self, setup: Setup) -> None:
        options: LengthRatioOptions = setup.options
        self._most = options.most
        self._slack = options.slack

    def check(self, pair: Pair, trace: Trace) -> Dropped:
        short, long = sorted((len(pair.chosen.text), len(pair.rejected.text)))
        if long - short <= self._slack or long <= self._most * short:
            return None
        return Drop(Reason.LENGTH_RATIO, f"{long} and {short} characters")


class LengthMatched:
    """As many pairs with the longer answer chosen as with the shorter, for every ratio of lengths: then length says
    nothing about the label. Of the side that has more, pairs are dropped evenly over the run."""

    def __init__(self, setup: Setup) -> None:
        options: LengthMatchedOptions = setup.options
        self._width = options.width
        self._surveyed: Counter[tuple[int, bool]] = Counter()
        self._sifted: Counter[tuple[int, bool]] = Counter()

    def survey(self, pair: Pair, trace: Trace) -> None:
        if (place := self._place(pair)) is not None:
            self._surveyed[place] += 1

    def sift(self, pair: Pair, trace: Trace) -> Dropped:
        place = self._place(pair)
        if place is None:
            return None
        ratio, longer = place
        have, other = self._surveyed[place], self._surveyed[ratio, not longer]
        wanted, number = min(have, other), self._sifted[place]
        self._sifted[place] += 1
        if (number + 1) * wanted // have > number * wanted // have:
            return None
        side = "longer" if longer else "shorter"
        return Drop(
            Reason.LENGTH_UNMATCHED, f"{have} pairs of such lengths have the {side} answer chosen, {other} the other"
        )

    def _place(self, pair: Pair) -> tuple[int, bool] | None:
        """How far apart the lengths are, and whether the chosen is the longer; None for equal ones."""
        chosen, rejected = max(1, len(pair.chosen.text)), max(1, len(pair.rejected.text))
        if chosen == rejected:
            return None
        return int(abs(math.log2(chosen / rejected)) / self._width), chosen > rejected
