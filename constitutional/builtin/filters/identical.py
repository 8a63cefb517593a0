"""Two answers that say the same teach nothing."""

from __future__ import annotations

from pydantic import Field

from constitutional.builtin.options import FilterOptions
from constitutional.core.records import Drop, Pair, Reason, Trace
from constitutional.core.similarity import alike
from constitutional.roles import Dropped, Setup


class NearIdenticalOptions(FilterOptions):
    similarity: float = Field(
        default=0.95, gt=0, le=1, description="Of the runs of five characters in both answers, the share in common."
    )


class Identical:
    """They differ in white space alone."""

    def __init__(self, setup: Setup) -> None:
        """It has no options."""

    def check(self, pair: Pair, trace: Trace) -> Dropped:
        same = pair.chosen.text.split() == pair.rejected.text.split()
        return Reason.IDENTICAL if same else None


class NearIdentical:
    """They hardly differ: a revision that changed a comma is a revision in name alone."""

    def __init__(self, setup: Setup) -> None:
        options: NearIdenticalOptions = setup.options
        self._most = options.similarity

    def check(self, pair: Pair, trace: Trace) -> Dropped:
        similarity = alike(pair.chosen.text, pair.rejected.text)
        return None if similarity < self._most else Drop(Reason.NEAR_IDENTICAL, f"similarity {similarity:.2f}")
