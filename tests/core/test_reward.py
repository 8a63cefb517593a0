"""The reward of an answer: what outranks what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.core.grading import Grade
from constitutional.core.reward import FLOOR, STEP, reward

MEANS = st.floats(0, 1)


def grade(*means: float) -> Grade:
    return Grade(0.0, {f"t{place}": mean for place, mean in enumerate(means)})


@given(st.lists(MEANS, min_size=1, max_size=5))
def test_what_breaks_nothing_is_between_nought_and_one(means: list[float]) -> None:
    found = reward(grade(*means))
    assert found is not None
    assert min(means) - 1e-9 <= found <= max(means) + 1e-9


@given(st.lists(MEANS, min_size=1, max_size=5), st.lists(MEANS, min_size=1, max_size=5))
def test_a_hard_violation_is_under_everything_else(good: list[float], bad: list[float]) -> None:
    best, worst = reward(grade(*bad), floored=True), reward(grade(*good))
    assert best == FLOOR
    assert worst is not None
    assert worst >= FLOOR + 1


@given(st.integers(1, 4), st.floats(0.01, 0.33), MEANS)
def test_a_tier_is_outweighed_only_by_three_times_its_difference(below: int, lead: float, mean: float) -> None:
    """All tiers below it may say the opposite, by nearly that much."""
    behind = 0.99 * (STEP - 1) * lead
    ahead = reward(grade(mean / 2 + lead / 2, *[0.0] * below))
    other = reward(grade(mean / 2 - lead / 2, *[behind] * below))
    assert ahead is not None
    assert other is not None
    assert ahead > other


def test_more_than_that_outweighs_it() -> None:
    assert reward(grade(0.6, 0.0)) == pytest.approx(0.48)
    assert reward(grade(0.5, 0.5)) == pytest.approx(0.5)


def test_what_nobody_could_read_has_no_reward() -> None:
    assert reward(None) is None
    assert reward(Grade(0.0, {})) is None
    assert reward(None, floored=True) == FLOOR
