"""The two fits against scikit-learn's."""

from __future__ import annotations

import random

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from constitutional.core.stats.calibration import Calibrator
from constitutional.core.stats.regression import isotonic, logistic, sigmoid

SOFT = st.lists(
    st.tuples(st.one_of(st.just(0.0), st.floats(1e-15, 14)), st.floats(0.02, 0.98)), min_size=1, max_size=60
)


def scikit_learns(xs: list[float], ys: list[float], intercept: bool) -> tuple[float, float]:
    """A soft label is two weighted hard ones. An infinite C is no penalty."""
    model = LogisticRegression(C=numpy.inf, fit_intercept=intercept, tol=1e-10, max_iter=10_000)
    rows = numpy.array([*xs, *xs]).reshape(-1, 1)
    model.fit(rows, [1] * len(xs) + [0] * len(xs), sample_weight=[*ys, *(1 - y for y in ys)])
    return float(model.coef_[0][0]), float(model.intercept_[0]) if intercept else 0.0


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.3, 0.5), (2.5, -1.0), (-0.7, 0.2)])
def test_logistic_regression_without_a_penalty(slope: float, shift: float, intercept: bool) -> None:
    chance = random.Random(7)
    xs = [abs(chance.gauss(0, 2)) for _ in range(600)]
    ys = [float(chance.random() < sigmoid(slope * x + shift)) for x in xs]
    assert logistic(xs, ys, intercept) == pytest.approx(scikit_learns(xs, ys, intercept), abs=1e-4)


@settings(deadline=None, max_examples=60)
@given(SOFT, st.booleans())
def test_at_the_least_loss_its_slope_is_zero(items: list[tuple[float, float]], intercept: bool) -> None:
    xs, ys = [x for x, _ in items], [y for _, y in items]
    a, b = logistic(xs, ys, intercept)
    wrong = [sigmoid(a * x + b) - y for x, y in items]
    scale = len(xs) * (1 + max(xs))
    assert sum(miss * x for miss, x in zip(wrong, xs, strict=True)) == pytest.approx(0, abs=1e-6 * scale)
    assert not intercept or sum(wrong) == pytest.approx(0, abs=1e-6 * scale)


def test_an_open_direction_stays_where_it_began() -> None:
    a, b = logistic([2.0] * 10, [0.9] * 10, intercept=True)
    assert a == 1
    assert sigmoid(2 + b) == pytest.approx(0.9)
    assert logistic([0.0, 0.0], [0.9, 0.9], intercept=False) == (1.0, 0.0)
    assert logistic([], [], intercept=True) == (1.0, 0.0)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(50, 70), st.sampled_from((0.0, 0.5, 1.0))), min_size=1, max_size=40))
def test_isotonic_regression(items: list[tuple[int, float]]) -> None:
    xs, ys = [x / 100 for x, _ in items], [y for _, y in items]
    model = IsotonicRegression(out_of_bounds="clip").fit(xs, ys)
    found = Calibrator("isotonic", knots=isotonic(xs, ys))
    grid = [0.501 + step / 500 for step in range(110)]
    assert [found.confidence(c) for c in grid] == pytest.approx(list(model.predict(grid)), abs=1e-9)


def test_sigmoid_far_out() -> None:
    assert (sigmoid(-1e4), sigmoid(0), sigmoid(1e4)) == (0, 0.5, 1)
    assert sigmoid(-40) == pytest.approx(4.248e-18, rel=1e-3)
