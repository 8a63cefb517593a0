"""Labels from rulings: whatever was judged, a hard violation is never chosen and a tie is never a label."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from constitutional.core.enforcement import violators
from constitutional.core.records import Reason
from constitutional.pipeline.pair import pair_up
from tests.core.test_analysis import RULES, random_trace


@settings(max_examples=1000, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from([0.0, 0.2, 0.9]))
def test_no_label_from_a_hard_violation_a_tie_or_too_small_a_margin(seed: int, min_margin: float) -> None:
    trace = random_trace(seed)
    broken = violators(RULES, trace.critiques, trace.responses)
    trace = replace(trace, unresolved=tuple(sorted(broken)))
    (ruling,) = trace.rulings
    made = asyncio.run(pair_up(trace, trace.rulings, {}, "s", min_margin, ()))
    assert len(made.pairs) + len(made.rejects) == 1
    for pair in made.pairs:
        assert pair.chosen.id not in broken
        assert pair.p_chosen > 0.5
        assert pair.margin >= min_margin - 1e-6
        assert pair.ruling is ruling
    for reject in made.rejects:
        expected = {Reason.TIE, Reason.ABSTAINED, Reason.UNRESOLVED, Reason.BELOW_MARGIN}
        assert reject.reason in expected
        assert not reject.failure
