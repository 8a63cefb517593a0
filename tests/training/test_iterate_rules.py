"""What the figures of rounds decide: the mix, the end, the best round, the online ratio."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.errors import ConfigError
from constitutional.training.iterate.decide import Round, best_round, improvement, next_ratio, why_stop
from constitutional.training.iterate.mix import mixed
from constitutional.training.iterate.page import rounds_table
from constitutional.training.iterate.settings import HALF_NEW, Mix, Ratio


def of(number: int, before: float, after: float, **more: Any) -> Round:
    given: dict[str, Any] = {
        "ratio": 1.0, "prompts": 10, "pairs": {}, "verdict": "improved", "measures": {}, "kl": 1.0,
        "improvement": improvement(before, after, "lower"), "before": {"value": before}, "after": {"value": after},
    }  # fmt: skip
    return Round(number=number, **(given | more))


# --- the mix ----------------------------------------------------------------------------------------------------------


def pool(number: int, size: int) -> list[dict[str, Any]]:
    return [{"round": number, "at": at} for at in range(size)]


def counts(sizes: list[int], mix: Mix = HALF_NEW) -> dict[str, int]:
    pairs = {number: pool(number, size) for number, size in enumerate(sizes, 1)}
    return mixed(pairs, len(sizes), mix, 0).counts


def test_half_is_new_and_the_rest_is_of_earlier_rounds() -> None:
    assert counts([100]) == {"new": 100, "first": 0, "earlier": 0}
    assert counts([100, 60]) == {"new": 60, "first": 60, "earlier": 0}
    assert counts([100, 100, 100]) == {"new": 100, "first": 60, "earlier": 40}
    assert counts([100, 100, 100], Mix(1, 0, 0)) == {"new": 100, "first": 0, "earlier": 0}


def test_what_one_part_lacks_the_other_fills_up() -> None:
    assert counts([10, 200, 100]) == {"new": 100, "first": 10, "earlier": 90}
    assert counts([200, 10, 100]) == {"new": 100, "first": 90, "earlier": 10}
    assert counts([5, 5, 100]) == {"new": 100, "first": 5, "earlier": 5}


@given(st.lists(st.integers(0, 60), min_size=1, max_size=5), st.integers(0, 3))
def test_no_pair_is_taken_twice_and_the_draw_is_fixed(sizes: list[int], seed: int) -> None:
    pairs = {number: pool(number, size) for number, size in enumerate(sizes, 1)}
    found = mixed(pairs, len(sizes), HALF_NEW, seed)
    assert found == mixed(pairs, len(sizes), HALF_NEW, seed)
    taken = Counter((row["round"], row["at"]) for row in found.rows)
    assert set(taken.values()) <= {1}
    assert len(found.rows) == sum(found.counts.values())
    assert found.counts["new"] == sizes[-1]


def test_shares_are_read_as_people_write_them() -> None:
    assert Mix.parse("50,30,20") == Mix.parse("0.5,0.3,0.2") == Mix()
    for wrong in ("50,30", "50,30,30", "0,50,50", "a,b,c", "120,-10,-10"):
        with pytest.raises(ConfigError, match="as in 50,30,20"):
            Mix.parse(wrong)
    assert Ratio.parse("0.25-1") == Ratio(0.25, 1)
    assert Ratio.parse("0.5") == Ratio(0.5, 0.5)
    for wrong in ("0-1", "1-0.5", "2", "much"):
        with pytest.raises(ConfigError, match=r"as in 0.25-1"):
            Ratio.parse(wrong)


# --- the end, and the best --------------------------------------------------------------------------------------------


def test_the_end_is_too_little_improvement_or_a_guard() -> None:
    assert why_stop([of(1, 0.5, 0.2)], 0.01) == ""
    assert why_stop([of(1, 0.5, 0.2), of(2, 0.2, 0.195)], 0.01) == "round 2 improved by +0.005, under 0.01"
    assert "-0.1" in why_stop([of(1, 0.2, 0.3)], 0.01)
    fired = {"guard": "kl", "action": "stop"}
    assert why_stop([of(1, 0.5, 0.1, guards=[fired])], 0.01) == "in round 1 the guard kl ended the training"
    assert why_stop([of(1, 0.5, 0.1, guards=[fired | {"action": "warn"}])], 0.01) == ""


def test_the_best_round_may_be_an_earlier_one_or_none() -> None:
    assert best_round([of(1, 0.5, 0.2), of(2, 0.2, 0.1), of(3, 0.1, 0.3)], "lower") == 2
    assert best_round([of(1, 0.5, 0.6)], "lower") == 0
    assert best_round([of(1, 0.5, 0.6)], "higher") == 1
    assert best_round([of(1, 0.5, 0.2), of(2, 0.2, 0.2)], "lower") == 1
    assert best_round([], "lower") == 0


# --- the online ratio -------------------------------------------------------------------------------------------------

LIMITS = Ratio(0.2, 0.8)


def test_new_answers_are_made_where_they_pay_or_old_ones_are_stale() -> None:
    idle = of(1, 0.2, 0.2, ratio=0.5, kl=0.0)
    assert next_ratio(idle, LIMITS, 0.01) == pytest.approx(0.35)
    assert next_ratio(of(1, 0.5, 0.2, ratio=0.5, kl=0.0), LIMITS, 0.01) == pytest.approx(0.65)
    assert next_ratio(of(1, 0.2, 0.2, ratio=0.5, kl=30.0), LIMITS, 0.01) == pytest.approx(0.65)
    assert next_ratio(of(1, 0.2, 0.2, ratio=0.5, kl=None), LIMITS, 0.01) == pytest.approx(0.35)


def test_a_budget_bounds_them() -> None:
    good = of(1, 0.5, 0.2, ratio=0.6)
    assert next_ratio(good, LIMITS, 0.01, left=10, rounds=2) == pytest.approx(0.7)
    assert next_ratio(good, LIMITS, 0.01, left=1, rounds=2) == pytest.approx(0.3)
    assert next_ratio(good, LIMITS, 0.01, left=0.1, rounds=2) == LIMITS.low


@given(st.floats(-1, 1), st.floats(0, 100), st.floats(0.2, 0.8), st.floats(0, 5), st.integers(1, 5))
def test_it_stays_within_its_limits(gain: float, kl: float, ratio: float, left: float, rounds: int) -> None:
    found = next_ratio(of(1, gain, 0.0, ratio=ratio, kl=kl), LIMITS, 0.01, left, rounds)
    assert LIMITS.low <= found <= LIMITS.high
    again = next_ratio(of(1, gain, 0.0, ratio=ratio, kl=kl + 1), LIMITS, 0.01, left, rounds)
    assert again >= found - 1e-12


def test_the_table_begins_with_the_model_before_all() -> None:
    value = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 100}
    one = {
        "number": 1, "before": value, "after": value | {"value": 0.1}, "pairs": {"new": 9, "first": 0, "earlier": 0},
        "prompts": 20, "verdict": "improved", "kl": None, "guards": [], "calls": 70,
    }  # fmt: skip
    table = rounds_table({"rounds": [one], "measure": "violation_rate", "best": 1})
    assert {len(row) for row in table.rows} == {len(table.head)}
    assert [(row[0], row[5], row[7]) for row in table.rows] == [
        ("0", "0.500", "the model before all"),
        ("1 (best)", "0.100", "improved"),
    ]
    assert rounds_table({"rounds": [], "measure": "violation_rate", "best": 0}).rows == []
