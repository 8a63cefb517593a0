"""Calibration measures against scikit-learn, and on probabilities that are right or wrong by design."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from constitutional.core.stats.reliability import brier, ece, log_loss, reliability

ITEMS = st.lists(st.tuples(st.floats(0, 1), st.sampled_from((0.0, 0.5, 1.0))), min_size=1, max_size=60)


def sample(n: int, seed: int, hope: float = 1.0) -> tuple[list[float], list[float]]:
    """Outcomes as likely as p to the power of ``hope``: calibrated at 1."""
    chance = random.Random(seed)
    ps = [chance.random() for _ in range(n)]
    return ps, [float(chance.random() < p**hope) for p in ps]


@pytest.mark.parametrize("equal_mass", [False, True])
@pytest.mark.parametrize(("n", "bins"), [(20, 10), (1000, 10), (777, 15), (5, 10)])
def test_the_bins_are_scikit_learns(n: int, bins: int, equal_mass: bool) -> None:
    ps, outcomes = sample(n, seed=n, hope=2)
    rates, means = calibration_curve(outcomes, ps, n_bins=bins, strategy="quantile" if equal_mass else "uniform")
    found = reliability(ps, outcomes, bins, equal_mass)
    assert [held.rate for held in found] == pytest.approx(list(rates))
    assert [held.mean_p for held in found] == pytest.approx(list(means))
    assert sum(held.count for held in found) == n
    if equal_mass:
        counts = [held.count for held in found]
        assert max(counts) - min(counts) <= 1


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from((0, 1))), min_size=1, max_size=40))
def test_the_losses_are_scikit_learns(items: list[tuple[float, int]]) -> None:
    ps, outcomes = [p for p, _ in items], [outcome for _, outcome in items]
    assert brier(ps, outcomes) == pytest.approx(brier_score_loss(outcomes, ps, pos_label=1), abs=1e-12)
    assert log_loss(ps, outcomes) == pytest.approx(sklearn_log_loss(outcomes, ps, labels=[0, 1]), abs=1e-9)


@given(ITEMS, st.integers(1, 12), st.booleans())
def test_every_item_is_in_one_bin(items: list[tuple[float, float]], bins: int, equal_mass: bool) -> None:
    ps, outcomes = [p for p, _ in items], [outcome for _, outcome in items]
    found = reliability(ps, outcomes, bins, equal_mass)
    assert sum(held.count for held in found) == len(items)
    assert sum(held.count * held.mean_p for held in found) == pytest.approx(sum(ps))
    assert sum(held.count * held.rate for held in found) == pytest.approx(sum(outcomes))
    for held in found:
        assert held.low - 1e-12 <= held.mean_p <= held.high + 1e-12
    average = ece(ps, outcomes, bins, equal_mass)
    assert average is not None
    assert 0 <= average <= max(abs(held.mean_p - held.rate) for held in found) + 1e-12 <= 1 + 1e-12


@given(ITEMS, st.randoms(use_true_random=False))
def test_the_order_of_items_is_nothing(items: list[tuple[float, float]], chance: random.Random) -> None:
    mixed = chance.sample(items, len(items))

    def measures(of: Sequence[tuple[float, float]]) -> list[float | None]:
        ps, outcomes = [p for p, _ in of], [outcome for _, outcome in of]
        return [ece(ps, outcomes), ece(ps, outcomes, equal_mass=True), brier(ps, outcomes), log_loss(ps, outcomes)]

    assert measures(mixed) == pytest.approx(measures(items))


def test_equal_probabilities_stay_together() -> None:
    (held,) = reliability([0.7] * 9, [1.0] * 6 + [0.0] * 3, equal_mass=True)
    assert (held.count, held.mean_p, held.rate) == pytest.approx((9, 0.7, 2 / 3))
    assert ece([0.7] * 10, [1.0] * 7 + [0.0] * 3) == pytest.approx(0)
    assert ece([0.9] * 10, [1.0] * 7 + [0.0] * 3) == pytest.approx(0.2)


def test_edges_belong_to_the_bin_below() -> None:
    found = reliability([0.0, 0.1, 0.2, 0.3, 0.9, 1.0], [0.0] * 6)
    assert [(held.low, held.count) for held in found] == [(0.0, 2), (0.1, 1), (0.2, 1), (0.8, 1), (0.9, 1)]


def test_right_probabilities_have_little_error_and_wrong_ones_have_theirs() -> None:
    right, wrong = ece(*sample(20_000, 1)), ece(*sample(20_000, 1, hope=2))
    assert right is not None
    assert right < 0.015
    assert wrong == pytest.approx(1 / 6, abs=0.01), "the integral of p − p²"


def test_a_tie_is_half() -> None:
    assert brier([0.5, 0.5], [0.5, 0.5]) == 0
    assert ece([0.5], [0.5]) == 0
    assert log_loss([0.5], [0.5]) == pytest.approx(log_loss([0.5], [1.0]))


def test_nothing_to_measure_and_what_is_no_probability() -> None:
    for measure in (ece, brier, log_loss):
        assert measure([], []) is None
        with pytest.raises(ValueError, match="0, 1"):
            measure([1.5], [1.0])
        with pytest.raises(ValueError, match="0, 1"):
            measure([0.5], [float("nan")])
        with pytest.raises(ValueError, match="shorter"):
            measure([0.5, 0.5], [1.0])
    assert reliability([], []) == []
