"""Kappa against scikit-learn, alpha against Krippendorff's worked examples and his definition, spelled out."""

from __future__ import annotations

import itertools
import math
import warnings
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from constitutional.core.stats.agreement import Level, Weights, cohen_kappa, krippendorff_alpha

LEVELS: tuple[Level, ...] = ("nominal", "ordinal", "interval", "ratio")
PAIRS = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=40)
UNITS = st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 5), max_size=4), max_size=15)

FOUR_OBSERVERS = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)
"""Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section D: 12 units, missing values."""


def units_of(observers: Sequence[str]) -> list[dict[str, int]]:
    rows = [row.split() for row in observers]
    return [
        {f"observer {number}": int(value) for number, value in enumerate(column) if value != "."}
        for column in zip(*rows, strict=True)
    ]


@pytest.mark.parametrize(
    ("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_his_example_with_missing_values(level: Level, alpha: float) -> None:
    assert krippendorff_alpha(units_of(FOUR_OBSERVERS), level) == pytest.approx(alpha, abs=0.5e-3)


@pytest.mark.parametrize(
    ("first", "second", "alpha"),
    [
        ("0 1 0 0 0 0 0 0 1 0", "1 1 1 0 0 1 0 0 0 0", 0.095),
        ("a a b b d c c c e d d a", "b a b b b c c c e d d d", 0.692),
    ],
)
def test_his_examples_of_two_observers(first: str, second: str, alpha: float) -> None:
    units = [{"meg": one, "owen": two} for one, two in zip(first.split(), second.split(), strict=True)]
    assert krippendorff_alpha(units) == pytest.approx(alpha, abs=0.5e-3)


def alpha_by_definition(units: list[dict[str, int]], level: Level) -> float | None:
    """Pair by pair, from the definition of the coincidence matrix."""
    paired = [list(unit.values()) for unit in units if len(unit) > 1]
    totals = Counter(value for values in paired for value in values)
    n = totals.total()

    def difference(c: int, k: int) -> float:
        low, high = min(c, k), max(c, k)
        if level == "nominal":
            return float(c != k)
        if level == "ordinal":
            between = sum(totals[value] for value in range(low, high + 1))
            return (between - (totals[low] + totals[high]) / 2) ** 2 if c != k else 0.0
        if level == "interval":
            return float((c - k) ** 2)
        return ((c - k) / (c + k)) ** 2 if c != k else 0.0

    observed = sum(
        difference(c, k) / (len(values) - 1) for values in paired for c, k in itertools.permutations(values, 2)
    )
    everything = list(totals.elements())
    expected = sum(difference(c, k) for c, k in itertools.permutations(everything, 2))
    return 1 - (n - 1) * observed / expected if expected else None


@settings(deadline=None)
@given(UNITS, st.sampled_from(LEVELS))
def test_alpha_is_what_it_is_defined_to_be(units: list[dict[str, int]], level: Level) -> None:
    expected = alpha_by_definition(units, level)
    assert krippendorff_alpha(units, level) == (None if expected is None else pytest.approx(expected, abs=1e-9))


@settings(deadline=None)
@given(UNITS, st.sampled_from(LEVELS), st.randoms(use_true_random=False))
def test_alpha_does_not_see_names_order_or_lone_values(
    units: list[dict[str, int]], level: Level, chance: object
) -> None:
    alpha = krippendorff_alpha(units, level)
    renamed = [{f"rater {name}": value for name, value in reversed(unit.items())} for unit in reversed(units)]
    same = None if alpha is None else pytest.approx(alpha, abs=1e-9)
    assert krippendorff_alpha([*renamed, {"z": 3}, {}, {"y": 2, "x": None}], level) == same


@settings(deadline=None)
@given(UNITS)
def test_alpha_sees_no_more_than_its_level_allows(units: list[dict[str, int]]) -> None:
    """Nominal: any renaming; ordinal: any stretching; interval: a shift and a unit; ratio: a unit."""

    def changed(change: dict[int, float], level: Level) -> float | None:
        return krippendorff_alpha([{name: change[value] for name, value in unit.items()} for unit in units], level)

    changes: dict[Level, dict[int, float]] = {
        "nominal": dict(enumerate((3.0, 0.0, 5.0, 1.0, 4.0, 2.0))),
        "ordinal": {value: math.exp(value) for value in range(6)},
        "interval": {value: 7.0 - 2 * value for value in range(6)},
        "ratio": {value: 2.5 * value for value in range(6)},
    }
    for level, change in changes.items():
        alpha = krippendorff_alpha(units, level)
        assert changed(change, level) == (None if alpha is None else pytest.approx(alpha, abs=1e-9))


@pytest.mark.parametrize("level", LEVELS)
def test_alpha_at_its_ends(level: Level) -> None:
    assert krippendorff_alpha([{"a": 1, "b": 1}, {"a": 2, "b": 2}], level) == 1
    assert krippendorff_alpha([], level) is None
    assert krippendorff_alpha([{"a": 1}, {"b": 2}], level) is None, "one rater of each"
    assert krippendorff_alpha([{"a": 0.1, "b": 0.1}, {"a": 0.1, "b": 0.1, "c": 0.1}], level) is None, "one value"
    opposite = krippendorff_alpha([{"a": 1, "b": 2}, {"a": 2, "b": 1}], level)
    assert opposite is not None
    assert opposite < 0


@settings(deadline=None, max_examples=60)
@given(PAIRS, st.sampled_from((None, "linear", "quadratic")))
def test_kappa_is_scikit_learns(pairs: list[tuple[int, int]], weights: Weights | None) -> None:
    a, b = [left for left, _ in pairs], [right for _, right in pairs]
    found = cohen_kappa(a, b, weights, categories=range(1, 6))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = cohen_kappa_score(a, b, weights=weights, labels=[1, 2, 3, 4, 5])
    if found is None:
        assert len({*a, *b}) == 1
    else:
        assert found == pytest.approx(expected, abs=1e-9)
        assert cohen_kappa(b, a, weights, categories=range(1, 6)) == pytest.approx(found)


def test_categories_give_the_order_of_words() -> None:
    a, b = ["bad", "fair", "good", "good"], ["bad", "good", "good", "fair"]
    by_meaning = cohen_kappa(a, b, "quadratic", categories=("bad", "fair", "good"))
    by_alphabet = cohen_kappa(a, b, "quadratic")
    assert by_meaning == cohen_kappa([0, 1, 2, 2], [0, 2, 2, 1], "quadratic")
    assert by_meaning == pytest.approx(cohen_kappa_score(a, b, weights="quadratic", labels=["bad", "fair", "good"]))
    assert by_alphabet == by_meaning, "the alphabet happens to agree"
    assert cohen_kappa(a, b, "quadratic", categories=("fair", "bad", "good")) != pytest.approx(by_meaning)
    with pytest.raises(ValueError, match="'good'"):
        cohen_kappa(a, b, categories=("bad", "fair"))


def test_labels_of_any_kind_need_no_order() -> None:
    assert cohen_kappa(["a", None, 1], ["a", None, 1]) == 1
    assert cohen_kappa([True, False], [False, True]) == -1


def test_agreement_where_there_is_nothing_to_agree_on() -> None:
    assert cohen_kappa([], []) is None
    assert cohen_kappa(["x", "x"], ["x", "x"]) is None, "chance alone agrees wholly"
    assert cohen_kappa(["x", "x"], ["x", "y"]) == 0
    with pytest.raises(ValueError, match="shorter"):
        cohen_kappa([1, 2], [1])
