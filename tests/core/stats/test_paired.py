"""Paired tests agree with SciPy's, and many of them together keep their promise."""

from __future__ import annotations

from random import Random

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from constitutional.core.stats.intervals import bootstrap_mean, bootstrap_ratio, sign_test
from constitutional.core.stats.length_control import length_controlled
from constitutional.core.stats.paired import holm, sign_flip

small = st.floats(-10, 10, allow_nan=False).map(lambda value: round(value, 3))
whole = st.integers(-10_000, 10_000).map(float)
"""Whose sums are exact: of fractions SciPy takes two that are equal for different."""


def scipy_p(differences: list[float]) -> float:
    found = stats.permutation_test(
        (numpy.array(differences),), numpy.mean, permutation_type="samples", n_resamples=10_000, rng=1
    )
    return float(found.pvalue)


@given(st.lists(whole.filter(bool), min_size=2, max_size=9, unique_by=abs))
def test_few_differences_are_flipped_in_every_way_as_scipy_does(differences: list[float]) -> None:
    assert sign_flip(differences) == pytest.approx(scipy_p(differences), abs=1e-9)


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.3])
def test_many_differences_agree_with_scipy(shift: float) -> None:
    chance = Random(4)
    differences = [chance.gauss(shift, 1) for _ in range(80)]
    assert sign_flip(differences) == pytest.approx(scipy_p(differences), abs=0.02)
    assert sign_flip(differences) == pytest.approx(float(stats.ttest_1samp(differences, 0).pvalue), abs=0.03)


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 20))
def test_right_and_wrong_are_mcnemars_exact_test(wins: int, losses: int, ties: int) -> None:
    differences = [1.0] * wins + [-1.0] * losses + [0.0] * ties
    expected = float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
    assert sign_flip(differences) == pytest.approx(expected, rel=1e-9)
    assert sign_flip(differences) == sign_test(wins, losses)


@given(st.lists(small, max_size=30))
def test_the_other_way_round_is_as_surprising(differences: list[float]) -> None:
    p = sign_flip(differences, flips=500)
    assert 0 < p <= 1
    assert sign_flip([-d for d in differences], flips=500) == pytest.approx(p, abs=0.1)


def test_no_difference_is_no_evidence() -> None:
    assert sign_flip([]) == sign_flip([0.0, 0.0]) == 1.0


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_is_never_under_p_and_keeps_the_order(ps: list[float]) -> None:
    found = holm(ps)
    assert all(p <= adjusted <= min(1.0, len(ps) * p) + 1e-12 for p, adjusted in zip(ps, found, strict=True))
    assert [found[place] for place in sorted(range(len(ps)), key=ps.__getitem__)] == sorted(found)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_intervals_agree_with_scipys_bootstrap() -> None:
    chance = Random(7)
    totals = [(chance.gauss(3, 1), chance.choice([1.0, 2.0, 3.0])) for _ in range(150)]
    own = bootstrap_ratio(totals)
    theirs = stats.bootstrap(
        tuple(numpy.array(column) for column in zip(*totals, strict=True)),
        lambda total, count, axis: total.sum(axis) / count.sum(axis),
        paired=True, vectorized=True, method="percentile", n_resamples=5000, rng=1,
    ).confidence_interval  # fmt: skip
    assert own is not None
    assert (own.low, own.high) == pytest.approx((theirs.low, theirs.high), abs=0.06)


@pytest.mark.parametrize("planted", [0.5, 0.6, 0.9])
def test_an_interval_covers_what_was_planted(planted: float) -> None:
    chance, covered, n = Random(11), 0, 300
    for simulation in range(n):
        values = [float(chance.random() < planted) for _ in range(150)]
        found = bootstrap_mean(values, resamples=300, seed=simulation)
        assert found is not None
        covered += found.low <= planted <= found.high
    assert covered / n >= 0.91, "93 % is the bar, less three standard errors of so few simulations"


def games(n: int, skill: float, length: float, chance: Random) -> list[list[tuple[float, float]]]:
    """Won by skill and by being longer; the first is longer by 20 words on average."""
    found = []
    for _ in range(n):
        longer = chance.gauss(20, 30)
        p = 1 / (1 + numpy.exp(-skill - length * numpy.tanh(longer / 36)))
        found.append([(float(chance.random() < p), longer)])
    return found


def test_length_is_taken_out_of_a_win_rate() -> None:
    only_longer = length_controlled(games(500, 0.0, 2.0, Random(1)))
    better_too = length_controlled(games(500, 1.0, 2.0, Random(2)))
    assert only_longer is not None
    assert better_too is not None
    assert only_longer.interval.low < 0.5 < only_longer.interval.high
    assert only_longer.p_value > 0.01
    assert only_longer.slope > 1
    assert better_too.interval.value == pytest.approx(1 / (1 + numpy.exp(-1)), abs=0.08)
    assert better_too.p_value < 0.001


def test_without_a_difference_in_length_nothing_is_taken_out() -> None:
    found = length_controlled([[(1.0, 0.0)]] * 60 + [[(0.0, 0.0)]] * 40)
    assert found is not None
    assert found.interval.value == pytest.approx(0.6, abs=0.001)
    assert found.p_value == pytest.approx(float(stats.norm.sf(0.1 / (0.24 / 100) ** 0.5) * 2), rel=0.2)


def test_one_who_always_wins_by_length_has_still_a_rate() -> None:
    found = length_controlled([[(1.0, 50.0 + n)] for n in range(30)])
    assert found is not None
    assert 0 <= found.interval.low <= found.interval.value <= found.interval.high <= 1
    assert length_controlled([]) is None


def test_who_is_asked_first_makes_no_difference() -> None:
    rows = games(200, 0.4, 1.0, Random(5))
    turned = [[(1 - won, -longer) for won, longer in group] for group in rows]
    one, other = length_controlled(rows), length_controlled(turned)
    assert one is not None
    assert other is not None
    assert one.interval.value == pytest.approx(1 - other.interval.value, abs=1e-6)
    assert one.p_value == pytest.approx(other.p_value, abs=1e-6)
