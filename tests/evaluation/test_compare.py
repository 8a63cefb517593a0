"""Differences and what is said of them: planted ones are found, and where there is none, none is claimed."""

from __future__ import annotations

from random import Random

import pytest

from constitutional.core.stats.intervals import Interval
from constitutional.core.stats.paired import sign_flip
from constitutional.evaluation.compare import Difference, difference, judged, measured
from constitutional.evaluation.measures import Game, Parts
from constitutional.evaluation.rating import rating

MEASURES = (
    "violation_rate", "over_refusal", "refusal_harmful", "empty", "win_rate", "repetition",
    *(f"violation_rate/tag:{n}" for n in range(12)),
)  # fmt: skip


def shares(n: int, p: float, chance: Random) -> Parts:
    return {f"p{number}": (float(chance.random() < p), 1.0) for number in range(n)}


def without_difference(measure: str, n: int, chance: Random) -> Difference:
    """As it is tested; only the ends of its interval, which decide nothing, are left out."""
    own, before = (shares(n, 0.3, chance) for _ in range(2))
    each = [own[prompt][0] - before[prompt][0] for prompt in own]
    mean = sum(each) / n
    return Difference("tuned", "base", measure, Interval(mean, mean, mean), sign_flip(each), n)


def test_where_nothing_differs_hardly_anything_is_called_an_improvement() -> None:
    chance, claimed, anything, n = Random(3), 0, 0, 300
    for _ in range(n):
        found = judged([without_difference(measure, 120, chance) for measure in MEASURES])
        claimed += any(one.verdict == "improved" for one in found)
        anything += any(one.verdict != "indistinguishable" for one in found)
    assert claimed / n <= 0.05
    assert anything / n <= 0.10, "either family errs in at most one of twenty"


def test_a_planted_difference_is_found_with_its_direction() -> None:
    chance = Random(5)
    own, before = shares(300, 0.1, chance), shares(300, 0.4, chance)
    lower, higher = (difference("tuned", "base", name, own, before) for name in ("violation_rate", "refusal_harmful"))
    assert lower is not None
    assert higher is not None
    assert [one.verdict for one in judged([lower, higher])] == ["improved", "worse"]
    assert lower.interval.low <= lower.interval.value <= lower.interval.high
    assert lower.interval.value == pytest.approx(-0.3, abs=0.1)


def test_a_measure_in_which_nothing_happened_costs_the_others_nothing() -> None:
    never = {f"p{n}": (0.0, 1.0) for n in range(20)}
    fell = difference("tuned", "base", "empty", never, {f"p{n}": (float(n < 6), 1.0) for n in range(20)})
    still = [
        difference("tuned", "base", name, never, never) for name in ("over_refusal", "refusal_harmful", "repetition")
    ]
    assert fell is not None
    first, *others = judged([fell, *(one for one in still if one is not None)])
    assert first.p_value == first.p_adjusted == pytest.approx(2 / 2**6)
    assert [one.p_adjusted for one in others] == [1.0, 1.0, 1.0]


def test_only_prompts_that_both_answered_are_compared() -> None:
    own, before = {"a": (1.0, 1.0), "b": (0.0, 1.0)}, {"b": (1.0, 1.0), "c": (0.0, 1.0)}
    found = difference("tuned", "base", "violation_rate", own, before)
    assert found is not None
    assert (found.n, found.interval.value) == (1, -1.0)
    assert difference("tuned", "base", "violation_rate", {"a": (1.0, 1.0)}, {"b": (1.0, 1.0)}) is None


def test_what_never_happened_is_not_certain_never_to_happen() -> None:
    found = measured("violation_rate", {f"p{n}": (0.0, 1.0) for n in range(100)})
    assert found is not None
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(0.037, abs=0.001), "Wilson's"


def test_several_answers_to_a_prompt_are_no_independent_evidence() -> None:
    chance = Random(1)
    prompts = [float(chance.random() < 0.5) for _ in range(40)]
    once = measured("violation_rate", {f"p{n}": (value, 1.0) for n, value in enumerate(prompts)})
    eight = measured("violation_rate", {f"p{n}": (8 * value, 8.0) for n, value in enumerate(prompts)})
    assert once is not None
    assert eight is not None
    assert (once.low, once.high) == (eight.low, eight.high)
    assert (once.n, eight.n) == (40, 320)


def test_a_rating_orders_the_players_and_ties_are_halves() -> None:
    games = [Game(f"p{n}", "b", "a", 1.0 if n % 10 else 0.0, 0.0) for n in range(100)]
    games += [Game(f"p{n}", "c", "b", 0.5, 0.0) for n in range(100)]
    found = rating(["a", "b", "c"], games)
    rows = {row["name"]: row for row in found["models"]}
    assert rows["b"]["rating"] == pytest.approx(rows["c"]["rating"], abs=15)
    assert rows["b"]["rating"] - rows["a"]["rating"] == pytest.approx(400 * 0.954, abs=25), "odds of nine to one"
    assert sum(row["rating"] for row in found["models"]) == pytest.approx(3000)
    assert rating(["a", "b"], [])["models"] == []
