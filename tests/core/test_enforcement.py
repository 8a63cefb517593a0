"""What each force asks, and what is drawn."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from constitutional.core.constitution import Constitution, Principle, Tier
from constitutional.core.enforcement import attempts, broken_tier, draw, guarded

RULES = Constitution(
    "rules",
    "1",
    (
        Tier("safety", "hard", (Principle("harm", "x"), Principle("private", "x"))),
        Tier("truth", "strong", (Principle("honest", "x", tags=frozenset({"facts"})), Principle("topic", "x"))),
        Tier("style", "soft", (Principle("brief", "x", weight=3.0),)),
    ),
    {"poem": {"style": 0.0}},
)


def test_a_soft_violation_gets_one_attempt_and_the_others_all_rounds() -> None:
    assert [attempts(force, 4) for force in ("hard", "strong", "soft")] == [4, 4, 1]
    assert attempts("soft", 0) == 0


def test_a_revision_is_guarded_by_its_own_tier_and_those_above_that_apply() -> None:
    hard, strong, soft = RULES.tiers
    assert [principle.id for principle in guarded(RULES, (), hard)] == ["harm", "private"]
    assert [principle.id for principle in guarded(RULES, (), strong)] == ["harm", "private", "topic"]
    assert [principle.id for principle in guarded(RULES, ("facts", "poem"), soft)] == [
        "harm",
        "private",
        "honest",
        "topic",
    ]


def test_only_a_hard_violation_vetoes_and_the_highest_tier_is_named() -> None:
    assert broken_tier(RULES, {"brief", "topic"}) is None
    assert broken_tier(RULES, {"brief", "private"}) == "safety"


@given(st.integers())
def test_what_does_not_apply_is_never_drawn(seed: int) -> None:
    drawn = draw(RULES, ("poem",), Random(seed))
    assert drawn is not None
    assert drawn[1].id in {"harm", "private", "topic"}


def test_nothing_is_drawn_where_nothing_applies() -> None:
    alone = Constitution("one", "1", (Tier("t", "soft", (Principle("p", "x", tags=frozenset({"a"})),)),))
    assert draw(alone, ("b",), Random(0)) is None


def test_draws_follow_the_weights_and_come_back() -> None:
    random = Random(0)
    drawn = Counter(found[1].id for _ in range(6000) if (found := draw(RULES, ("facts",), random)))
    assert abs(drawn["brief"] / 6000 - 3 / 7) < 0.03
    assert all(abs(drawn[name] / 6000 - 1 / 7) < 0.03 for name in ("harm", "private", "honest", "topic"))
