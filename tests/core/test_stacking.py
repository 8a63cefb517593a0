from __future__ import annotations

import time
from math import isfinite
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constitutional.core.stacking import learn_weights, log_odds, stacked
from constitutional.core.stats.regression import sigmoid

P = st.none() | st.floats(0, 1)


def world(weights: list[float], n: int = 4000, seed: int = 0) -> tuple[list[list[float | None]], list[float]]:
    """Judges whose log-odds count as much as these weights say."""
    random = Random(seed)
    rows: list[list[float | None]] = []
    labels: list[float] = []
    for _ in range(n):
        odds = [random.gauss(0, 1.5) for _ in weights]
        p = sigmoid(sum(weight * x for weight, x in zip(weights, odds, strict=True)))
        rows.append([sigmoid(x) for x in odds])
        labels.append(float(random.random() < p))
    return rows, labels


@pytest.mark.parametrize("planted", [[1.0, 0.5, 0.0], [0.2, 0.2], [2.0], [0.0, 1.0, 0.3, 0.7]])
def test_planted_weights_are_found(planted: list[float]) -> None:
    assert learn_weights(*world(planted)) == pytest.approx(planted, abs=0.1)


def test_the_same_as_scikit_learn_where_no_weight_is_at_its_bound() -> None:
    sklearn = pytest.importorskip("sklearn.linear_model")
    rows, labels = world([1.0, 0.4, 0.2], n=500, seed=3)
    odds = [[log_odds(p) for p in row if p is not None] for row in rows]
    theirs = sklearn.LogisticRegression(C=1e9, fit_intercept=False, tol=1e-10).fit(odds, labels).coef_[0]
    assert min(theirs) > 0
    assert learn_weights(rows, labels, ridge=1e-9) == pytest.approx(list(theirs), abs=1e-4)


def test_a_judge_below_chance_counts_nothing() -> None:
    rows, labels = world([1.0, 0.5])
    worse = [[first, None if second is None else 1 - second] for first, second in rows]
    good, bad = learn_weights(worse, labels)
    assert bad == 0
    assert good > 0.5


def test_judges_that_say_the_same_share_the_weight() -> None:
    rows, labels = world([1.0], n=1000)
    alike = [[row[0], row[0], row[0]] for row in rows]
    began = time.perf_counter()
    assert learn_weights(alike, labels) == pytest.approx(
        (learn_weights(rows, labels, ridge=1 / 3)[0] / 3,) * 3, abs=1e-3
    )
    assert time.perf_counter() - began < 5


def test_what_labels_say_nothing_of_stays_the_mean() -> None:
    assert learn_weights([], []) == ()
    assert learn_weights([[None, None]], [1.0]) == pytest.approx((0.5, 0.5))
    assert learn_weights([[0.5, None, 0.5]] * 9, [1.0] * 9) == pytest.approx((1 / 3,) * 3)


def test_ties_pull_to_the_middle() -> None:
    sure: list[list[float | None]] = [[0.9]] * 50
    (of_wins,), (of_ties,) = learn_weights(sure, [1.0] * 50), learn_weights(sure, [0.5] * 50)
    assert of_ties < 0.1 < 1 < of_wins


@settings(deadline=None)
@given(st.integers(1, 3).flatmap(lambda n: st.lists(st.tuples(*[P] * n), min_size=1, max_size=12)), st.data())
def test_it_always_exists_and_a_swap_changes_nothing(rows: list[tuple[float | None, ...]], data: st.DataObject) -> None:
    labels = data.draw(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=len(rows), max_size=len(rows)))
    weights = learn_weights(rows, labels)
    assert len(weights) == len(rows[0])
    assert all(weight >= 0 and isfinite(weight) for weight in weights)
    turned = [[None if p is None else 1 - p for p in row] for row in rows]
    assert learn_weights(turned, [1 - label for label in labels]) == pytest.approx(weights, abs=1e-5)


@given(st.lists(st.tuples(P, st.floats(0, 3)), min_size=1, max_size=5))
def test_the_panels_verdict_turns_round_with_the_answers(members: list[tuple[float | None, float]]) -> None:
    ps, weights = [p for p, _ in members], [weight for _, weight in members]
    p = stacked(ps, weights)
    turned = stacked([None if p is None else 1 - p for p in ps], weights)
    assert (p is None) == all(one is None for one in ps)
    assert p is None or turned == pytest.approx(1 - p, abs=1e-6)
