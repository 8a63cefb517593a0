"""Answers that were cut off at the longest length that was allowed."""

from __future__ import annotations

from pydantic import Field

from constitutional.builtin.options import FilterOptions, Side, sides
from constitutional.core.records import Drop, Pair, Reason, Trace
from constitutional.roles import Dropped, Setup


class TruncatedOptions(FilterOptions):
    which: Side = Field(default="either", description="Whose end counts: that of the `chosen` answer, or of `either`.")


class Truncated:
    """By the reason that the model gave for ending: ``length``."""

    def __init__(self, setup: Setup) -> None:
        options: TruncatedOptions = setup.options
        self._which: Side = options.which

    def check(self, pair: Pair, trace: Trace) -> Dropped:
        cut = [response.id for response in sides(pair, self._which) if response.finish == "length"]
        return Drop(Reason.TRUNCATED, f"{' and '.join(cut)} ended at its longest length") if cut else None
