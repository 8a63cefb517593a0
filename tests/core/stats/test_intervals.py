"""Intervals against scipy and against what they promise: to hold the truth as often as they say."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from statistics import fmean, median

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from constitutional.core.stats.intervals import (
    Interval,
    bootstrap,
    bootstrap_mean,
    quantile,
    sign_test,
    wilson,
)


def known(found: Interval | None) -> Interval:
    assert found is not None
    return found


def test_the_bootstrap_of_right_and_wrong_is_the_binomial() -> None:
    for n, right in ((100, 70), (400, 4), (2301, 1023), (10_000, 9_990)):
        found = known(bootstrap_mean([1.0] * right + [0.0] * (n - right), resamples=20_000))
        assert found.value == right / n
        low, high = binom.ppf([0.025, 0.975], n, right / n) / n
        allowed = 0.15 * (right * (n - right) / n) ** 0.5 / n + 1 / n
        assert found.low == pytest.approx(low, abs=allowed)
        assert found.high == pytest.approx(high, abs=allowed)


def test_counting_draws_is_drawing() -> None:
    """Wins, ties and losses: the fast way and the plain one say the same, but for the noise of resampling."""
    values = [1.0] * 300 + [0.5] * 60 + [0.0] * 140 + [0.25] * 20
    fast, plain = known(bootstrap_mean(values, resamples=6000)), known(bootstrap(values, fmean, resamples=6000))
    assert fast.value == pytest.approx(plain.value)
    assert fast.low == pytest.approx(plain.low, abs=0.003)
    assert fast.high == pytest.approx(plain.high, abs=0.003)


def test_the_bootstrap_of_measured_values_is_the_normal_one() -> None:
    chance = random.Random(3)
    values = [chance.gauss(10, 2) for _ in range(800)]
    found = known(bootstrap_mean(values))
    reach = 1.96 * float(numpy.std(values)) / len(values) ** 0.5
    assert (found.low, found.high) == pytest.approx((found.value - reach, found.value + reach), abs=reach * 0.12)


def test_it_holds_the_truth_as_often_as_it_says() -> None:
    chance, held, trials = random.Random(5), 0, 400
    for trial in range(trials):
        sample = [float(chance.random() < 0.7) for _ in range(80)]
        found = known(bootstrap_mean(sample, level=0.9, resamples=400, seed=trial))
        held += found.low <= 0.7 <= found.high
    assert 0.85 <= held / trials <= 0.95


def test_a_seed_gives_the_interval() -> None:
    few, many = [1.0, 0.0, 0.5] * 200, [n**1.5 for n in range(60)]
    for values in (few, many):
        assert bootstrap_mean(values, seed=4) == bootstrap_mean(values, seed=4)
        assert bootstrap_mean(values, seed=4) != bootstrap_mean(values, seed=5)
        assert bootstrap(values, fmean, seed=4) == bootstrap(values, fmean, seed=4)
    assert bootstrap_mean(few) == bootstrap_mean(sorted(few)), "where values are counted their order is nothing"


def test_a_wider_level_holds_the_narrower() -> None:
    values = [float(n % 7) for n in range(90)]
    narrow, wide = known(bootstrap_mean(values, level=0.5)), known(bootstrap_mean(values, level=0.99))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_ten_thousand_items_take_a_moment() -> None:
    started = time.perf_counter()
    bootstrap_mean([1.0] * 7000 + [0.0] * 3000)
    assert time.perf_counter() - started < 1


def test_where_the_statistic_is_undefined() -> None:
    def of_the_good(items: Sequence[tuple[bool, float]]) -> float | None:
        good = [value for is_good, value in items if is_good]
        return fmean(good) if good else None

    found = known(bootstrap([(True, 2.0), (False, 9.0), (False, 9.0)], of_the_good))
    assert found == (2.0, 2.0, 2.0)
    assert bootstrap([(False, 9.0)], of_the_good) is None
    assert bootstrap([], median) is None
    assert bootstrap_mean([]) is None
    assert bootstrap_mean([0.3]) == (0.3, 0.3, 0.3)
    assert known(bootstrap([1, 2, 3, 4, 100], median)).value == 3


def test_pairing_takes_out_what_both_have_in_common() -> None:
    chance = random.Random(2)
    common = [chance.gauss(0, 10) for _ in range(300)]
    ys = [value + chance.gauss(0, 1) for value in common]
    xs = [value + 0.5 + chance.gauss(0, 1) for value in common]
    found = known(bootstrap_mean([x - y for x, y in zip(xs, ys, strict=True)]))
    assert 0 < found.low < 0.5 < found.high < 1
    turned = known(bootstrap_mean([y - x for x, y in zip(xs, ys, strict=True)]))
    assert turned.value == pytest.approx(-found.value)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from((0.8, 0.95)))
def test_wilson_is_scipys(score: tuple[int, int], level: float) -> None:
    successes, n = score
    low, high = binomtest(successes, n).proportion_ci(level, method="wilson")
    assert wilson(successes, n, level) == pytest.approx((successes / n, low, high), abs=1e-9)


def test_wilson_at_its_ends() -> None:
    assert wilson(0, 0) is None
    assert known(wilson(5, 5)).low == pytest.approx(0.5655, abs=1e-4)
    assert known(wilson(2.5, 5)).value == 0.5
    for wrong in ((6, 5), (-1, 5)):
        with pytest.raises(ValueError, match="successes"):
            wilson(*wrong)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 600), st.integers(0, 600))
def test_the_sign_test_is_scipys(wins: int, losses: int) -> None:
    expected = binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert sign_test(wins, losses) == pytest.approx(expected, rel=1e-9)
    assert sign_test(losses, wins) == sign_test(wins, losses)


def test_large_scores() -> None:
    assert sign_test(50_500, 49_500) == pytest.approx(binomtest(50_500, 100_000).pvalue, rel=1e-6)
    assert sign_test(3000, 0) == 0.0
    with pytest.raises(ValueError, match="negative"):
        sign_test(-1, 3)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(0, 1))
def test_quantiles_are_numpys(values: list[float], share: float) -> None:
    assert quantile(sorted(values), share) == pytest.approx(float(numpy.quantile(values, share)), rel=1e-9, abs=1e-6)
