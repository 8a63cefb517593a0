"""The choice of a loss: each rule decides when it should, says why, and leaves out what it cannot know."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.training.advice import Figures, Label, Thresholds, advise
from constitutional.training.data import TrainingData, read_data
from constitutional.training.settings import TrainSettings
from tests.training.planted import pair, write

GOOD = Figures(20_000, 0.9, 0.8, 0.9, "order_consistency", 0.8, "margin")
SHARE = st.none() | st.floats(0, 1)


@pytest.mark.parametrize(
    ("changes", "loss", "because"),
    [
        ({}, "dpo", "labels agree and there are many"),
        ({"agreement": 0.69}, "ipo", "labels agree in less than 0.7"),
        ({"agreement": 0.7}, "dpo", "labels agree and"),
        ({"pairs": 9_999}, "ipo", "fewer than 10,000 pairs"),
        ({"pairs": 10_000}, "dpo", "labels agree and"),
        ({"strength": 0.95}, "dpo", "labels are stronger than 0.9"),
        ({"agreement": 0.5, "pairs": 10, "strength": 1.0}, "ipo", "labels agree in less than 0.7"),
        ({"pairs": 10, "strength": 1.0}, "ipo", "fewer than 10,000 pairs"),
        ({"agreement": None, "strength": None}, "dpo", "label agreement unknown, 20,000 pairs, label strength unknown"),
    ],
)
def test_the_first_rule_that_holds_decides(changes: dict[str, Any], loss: str, because: str) -> None:
    advice = advise(replace(GOOD, **changes), Thresholds())
    assert advice.loss == loss
    assert because in advice.why
    assert "\n" not in advice.why


@given(SHARE, st.integers(0, 100_000), SHARE)
def test_less_agreement_or_fewer_pairs_never_turn_to_dpo(
    agreement: float | None, pairs: int, strength: float | None
) -> None:
    figures = Figures(pairs, 1, 1, agreement, "x", strength, "y")
    if advise(figures, Thresholds()).loss == "ipo":
        fewer = replace(figures, pairs=pairs // 2)
        assert advise(fewer, Thresholds()).loss == "ipo"
        if agreement is not None:
            assert advise(replace(fewer, agreement=agreement / 2), Thresholds()).loss == "ipo"


def test_thresholds_can_be_set() -> None:
    assert advise(replace(GOOD, pairs=500), Thresholds(size=100)).loss == "dpo"
    assert advise(GOOD, Thresholds(agreement=0.95)).loss == "ipo"


def data_of(tmp_path: Path, rows: list[dict[str, Any]]) -> TrainingData:
    source = write(tmp_path / "pairs.jsonl", rows)
    return read_data(TrainSettings(source=str(source), model="none/needed", out="nowhere"))


def test_agreement_is_order_consistency_where_the_data_has_it(tmp_path: Path) -> None:
    rows = [pair(number, 0.9) | {"order_consistency": [1.0, 0.5, None][number % 3]} for number in range(30)]
    facts = data_of(tmp_path, rows).facts
    assert (facts.agreement, facts.agreement_from) == (0.75, "order_consistency")
    assert facts.strength == pytest.approx(0.8)
    assert facts.strength_from == "margin"


def test_without_the_column_it_is_how_probable_the_labels_are(tmp_path: Path) -> None:
    rows = [{k: v for k, v in pair(number, 0.8).items() if k != "margin"} for number in range(30)]
    facts = data_of(tmp_path, rows).facts
    assert facts.agreement == pytest.approx(0.8)
    assert facts.strength == pytest.approx(0.6)
    assert (facts.agreement_from, facts.strength_from) == ("p_chosen", "p_chosen")


def test_labels_that_say_nothing_of_themselves_are_unknown_not_certain(tmp_path: Path) -> None:
    bare = ("p_chosen", "margin")
    rows = [{k: v for k, v in pair(number).items() if k not in bare} for number in range(30)]
    facts = data_of(tmp_path, rows).facts
    assert (facts.pairs, facts.agreement, facts.strength) == (30, None, None)


def test_no_labels_no_figures() -> None:
    assert Figures.of([], soft=True, margins=True).agreement is None
    assert Figures.of([Label(0.9, 0.8, 1.0)], soft=False, margins=False).strength is None
