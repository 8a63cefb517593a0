"""Labels that are too uncertain to learn from."""

from __future__ import annotations

from pydantic import Field

from constitutional.builtin.options import FilterOptions
from constitutional.core.records import Drop, Judgement, Pair, Reason, Trace
from constitutional.roles import Dropped, Setup

ROUNDING = 1e-9


class MinConfidenceOptions(FilterOptions):
    p: float = Field(default=0.6, ge=0.5, le=1, description="Least probability that the chosen answer is better.")
    tiers: dict[str, float] = Field(default={}, description="Another one for pairs that this tier decided.")


class ConsistentOrdersOptions(FilterOptions):
    share: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Least share of verdicts in the deciding tier that outlive a swap of the order.",
    )


class MinConfidence:
    """Like ``min_margin``, by the tier that decided."""

    def __init__(self, setup: Setup) -> None:
        options: MinConfidenceOptions = setup.options
        self._p = options.p
        self._tiers = options.tiers

    def check(self, pair: Pair, trace: Trace) -> Dropped:
        least = self._tiers.get(pair.ruling.tier_id or "", self._p)
        if pair.p_chosen >= least - ROUNDING:
            return None
        return Drop(Reason.LOW_CONFIDENCE, f"p = {pair.p_chosen:.3f} < {least:g}")


class ConsistentOrders:
    """The verdicts that made the label are the same in both orders. A veto was no verdict of the judge's."""

    def __init__(self, setup: Setup) -> None:
        options: ConsistentOrdersOptions = setup.options
        self._share = options.share
        self._tier_of = {principle.id: tier.id for tier, principle in setup.constitution}

    def check(self, pair: Pair, trace: Trace) -> Dropped:
        if pair.ruling.vetoed_by is not None:
            return None
        judged = [item for item in trace.judgements if self._decided(item, pair) and item.p is not None]
        kept = sum(bool(judgement.consistent) for judgement in judged)
        if kept >= self._share * len(judged) - ROUNDING:
            return None
        return Drop(Reason.INCONSISTENT, f"{kept} of {len(judged)} verdicts outlive a swap")

    def _decided(self, judgement: Judgement, pair: Pair) -> bool:
        same = (judgement.a, judgement.b) == (pair.ruling.a, pair.ruling.b)
        return same and self._tier_of.get(judgement.principle_id) == pair.ruling.tier_id


class ScoresAgree:
    """The judge prefers the answer that scores higher. Pairs whose answers were not scored are kept."""

    def __init__(self, setup: Setup) -> None:
        """It has no options."""

    def check(self, pair: Pair, trace: Trace) -> Dropped:
        chosen, rejected = pair.chosen_score, pair.rejected_score
        if chosen is None or rejected is None or chosen >= rejected - ROUNDING:
            return None
        return Drop(Reason.AGAINST_SCORES, f"{chosen:.3f} over {rejected:.3f}")
