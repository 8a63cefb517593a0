"""Correlations and AUC against scipy and scikit-learn; strengths against what they maximise."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, rankdata, spearmanr

from constitutional.core.stats.ranking import bradley_terry, pearson, ranks, spearman
from constitutional.core.stats.regression import sigmoid

POINTS = st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=2, max_size=40)
WINS = st.dictionaries(
    st.tuples(st.sampled_from("abcde"), st.sampled_from("abcde")), st.integers(0, 20).map(lambda n: n / 2), max_size=12
)


@settings(deadline=None, max_examples=60)
@given(POINTS)
def test_correlations_are_scipys(points: list[tuple[int, int]]) -> None:
    x, y = [float(left) for left, _ in points], [float(right) for _, right in points]
    if len(set(x)) < 2 or len(set(y)) < 2:
        assert pearson(x, y) is None
        assert spearman(x, y) is None
        return
    assert pearson(x, y) == pytest.approx(pearsonr(x, y).statistic, abs=1e-9)
    assert spearman(x, y) == pytest.approx(spearmanr(x, y).statistic, abs=1e-9)
    assert ranks(x) == list(rankdata(x))
    assert spearman([math.exp(value) for value in x], y) == pytest.approx(spearman(x, y)), "only the order counts"


def test_correlation_where_there_is_none_to_find() -> None:
    for measure in (pearson, spearman):
        assert measure([], []) is None
        assert measure([1.0], [2.0]) is None
        assert measure([0.1, 0.1, 0.1], [1.0, 2.0, 3.0]) is None
        with pytest.raises(ValueError, match="paired"):
            measure([1.0], [1.0, 2.0])
    assert pearson([1e200, 2e200, 3e200], [1e-200, 2e-200, 3e-200]) == pytest.approx(1)
    assert spearman([1.0, 2.0, 3.0], [9.0, 8.0, -50.0]) == pytest.approx(-1)


@settings(deadline=None, max_examples=60)
@given(WINS)
def test_strengths_are_the_most_likely_ones(wins: dict[tuple[str, str], float]) -> None:
    """For each player the games won are those to be expected, the prior's two half-open games included."""
    prior = 0.1
    strengths = bradley_terry(wins, prior=prior)
    assert set(strengths) == {name for pair in wins if pair[0] != pair[1] for name in pair}
    assume(strengths)
    assert sum(strengths.values()) == pytest.approx(0, abs=1e-9)

    def excess(average: float) -> dict[str, float]:
        found = {name: prior - 2 * prior * sigmoid(strength - average) for name, strength in strengths.items()}
        for (winner, loser), count in wins.items():
            if winner != loser:
                expected = sigmoid(strengths[winner] - strengths[loser])
                found[winner] += count * (1 - expected)
                found[loser] -= count * (1 - expected)
        return found

    # The average player's own place is where all the prior's games balance.
    low, high = -50.0, 50.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(excess(middle).values()) < 0 else (low, middle)
    assert all(value == pytest.approx(0, abs=1e-5) for value in excess(low).values())


@settings(deadline=None, max_examples=30)
@given(WINS)
def test_turning_every_game_turns_the_strengths(wins: dict[tuple[str, str], float]) -> None:
    turned = bradley_terry({(loser, winner): count for (winner, loser), count in wins.items()})
    assert bradley_terry(wins) == pytest.approx({name: -value for name, value in turned.items()}, abs=1e-6)


def test_planted_strengths_are_found() -> None:
    chance, planted = random.Random(1), {"a": 1.0, "b": 0.25, "c": -0.25, "d": -1.0}
    wins: dict[tuple[str, str], float] = {}
    for _ in range(30_000):
        one, two = chance.sample(sorted(planted), 2)
        pair = (one, two) if chance.random() < sigmoid(planted[one] - planted[two]) else (two, one)
        wins[pair] = wins.get(pair, 0) + 1
    assert bradley_terry(wins) == pytest.approx(planted, abs=0.06)


def test_two_players_are_a_logit() -> None:
    found = bradley_terry({("x", "y"): 3, ("y", "x"): 1}, prior=1e-9)
    assert found["x"] - found["y"] == pytest.approx(math.log(3), abs=1e-6)


def test_the_unbeaten_and_those_who_never_met() -> None:
    found = bradley_terry({("a", "b"): 1000, ("c", "d"): 2, ("d", "c"): 2, ("e", "e"): 5})
    assert set(found) == set("abcd")
    assert math.isfinite(found["a"])
    assert found["a"] > found["c"] == pytest.approx(found["d"])
    assert found["d"] > found["b"]
    assert bradley_terry({}) == {}
    lopsided = bradley_terry({("a", "b"): 1e9, ("c", "d"): 1e-9}, prior=1e-12)
    assert all(map(math.isfinite, lopsided.values()))
    assert lopsided["a"] > lopsided["b"]
    assert bradley_terry({("a", "b"): 0.5, ("b", "a"): 0.5}) == pytest.approx({"a": 0.0, "b": 0.0})
    with pytest.raises(ValueError, match="times"):
        bradley_terry({("a", "b"): -1})
    with pytest.raises(ValueError, match="prior"):
        bradley_terry({("a", "b"): 1}, prior=0)
