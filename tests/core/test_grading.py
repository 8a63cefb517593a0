"""Grades of several responses are comparable: what could not be read of one never puts it ahead of another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.core.constitution import Constitution, Principle, Tier
from constitutional.core.grading import grade, grades
from constitutional.core.records import Score

NAMES = ("a", "b", "c")
RULES = Constitution(
    "c",
    "1",
    (Tier("first", "hard", (Principle("a", "a"), Principle("b", "b"))), Tier("second", "soft", (Principle("c", "c"),))),
)
VALUES = st.dictionaries(st.sampled_from(NAMES), st.floats(0, 1))


def scores(values: dict[str, float], response: str = "r") -> list[Score]:
    return [Score(response, name, values.get(name), "made up") for name in NAMES]


def test_a_tier_is_the_mean_of_its_principles_and_counts_twice_the_next() -> None:
    made = grade(RULES, (), scores({"a": 1.0, "b": 0.5, "c": 0.0}))
    assert made is not None
    assert made.tiers == {"first": 0.75, "second": 0.0}
    assert made.overall == pytest.approx((2 * 0.75 + 0) / 3)


def test_a_response_does_not_lead_because_its_bad_side_could_not_be_read() -> None:
    """Alone, the second would score 0.9: the principle that it breaks is the one that is missing."""
    found = grades(RULES, (), [scores(v) for v in ({"a": 0.8, "c": 0.8}, {"c": 0.9}, {"a": 0.7, "c": 0.9})])
    assert [item and round(item.overall, 3) for item in found] == [0.8, None, 0.767]


def test_a_principle_that_most_could_not_be_read_under_counts_for_none() -> None:
    found = grades(RULES, (), [scores(v) for v in ({"a": 0.1, "c": 0.8}, {"c": 0.9}, {"c": 0.7})])
    assert [item and item.overall for item in found] == [0.8, 0.9, 0.7]


def test_what_could_not_be_scored_at_all_has_no_grade() -> None:
    found = grades(RULES, (), [scores({}), scores({"a": 0.5}), scores({"a": 0.6})])
    assert [item and item.overall for item in found] == [None, 0.5, 0.6]
    assert grades(RULES, (), [scores({}), scores({})]) == [None, None]


@given(st.lists(VALUES, min_size=1, max_size=6))
def test_all_grades_are_over_the_same_tiers_and_between_nought_and_one(table: list[dict[str, float]]) -> None:
    made = [item for item in grades(RULES, (), [scores(values) for values in table]) if item is not None]
    assert len({tuple(item.tiers) for item in made}) <= 1
    assert all(-1e-9 <= item.overall <= 1 + 1e-9 for item in made)


@given(st.fixed_dictionaries(dict.fromkeys(NAMES, st.floats(0, 1))), st.sampled_from(NAMES), st.floats(0, 1))
def test_better_under_one_principle_is_never_worse_overall(values: dict[str, float], name: str, more: float) -> None:
    raised = values | {name: max(values[name], more)}
    low, high = grade(RULES, (), scores(values)), grade(RULES, (), scores(raised))
    assert low is not None
    assert high is not None
    assert high.overall >= low.overall - 1e-12
