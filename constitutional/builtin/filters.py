"""Reasons to drop a pair that was ruled upon."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from constitutional.core.records import Pair, Reason, Trace
from constitutional.roles import Setup


class Identical:
    """Two answers that differ only in white space teach nothing."""

    def __init__(self, setup: Setup) -> None:
        """It has no options."""

    def check(self, pair: Pair, trace: Trace) -> str | None:
        same = pair.chosen.text.split() == pair.rejected.text.split()
        return Reason.IDENTICAL if same else None


class MinLengthOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    characters: int = Field(default=1, ge=1)


class MinLength:
    """Answers shorter than this are no examples of anything."""

    def __init__(self, setup: Setup) -> None:
        options: MinLengthOptions = setup.options
        self._characters = options.characters

    def check(self, pair: Pair, trace: Trace) -> str | None:
        shortest = min(len(pair.chosen.text), len(pair.rejected.text))
        return "too_short" if shortest < self._characters else None
