from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from constitutional.config.judge_card import JudgeIdentity, card_from, differences, read_card
from constitutional.errors import ConfigError
from tests.audit.test_card import a_card


def test_a_card_comes_back_as_it_was_written(tmp_path: Path) -> None:
    card = a_card()
    (tmp_path / "card.json").write_text(card.dump(), encoding="utf-8")
    assert read_card(tmp_path / "card.json") == card


def edited(*path: str | int, to: Any) -> dict[str, Any]:
    data = json.loads(a_card().dump())
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    assert isinstance(data, dict)
    return data


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (edited("measures", "accuracy", "overall", "value", to="high"), "measures.accuracy.overall.value"),
        (edited("gate", "may_label", to=None), "gate.may_label"),
        (edited("surprise", to=1), "surprise: Extra inputs"),
        (edited("format", to=2), "a judge card of format 2"),
        (edited("calibration", "kind", to="magic"), "calibration.kind"),
        (edited("calibration", "parameters", to=[1.0]), "calibration: identity"),
        ({"judge": 1}, "not a judge card"),
        ([], "not a judge card"),
    ],
)
def test_a_card_that_was_changed_is_refused_with_the_key(data: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        card_from(data, "card.json")
    assert str(caught.value).startswith("card.json: ")
    assert words in str(caught.value)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(ConfigError, match="not JSON"):
        read_card(tmp_path / "card.json")
    with pytest.raises(ConfigError):
        read_card(tmp_path)


JUDGE = JudgeIdentity(
    plugin="pairwise-logprob", options={"letters": ["A", "B"]}, model={"model": "m", "revision": None}
)


def test_the_same_judge_does_not_differ() -> None:
    assert differences(JUDGE, JUDGE.model_copy()) == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"plugin": "rubric"}, "plugin: pairwise-logprob → rubric"),
        ({"options": {"letters": ["A", "C"]}}, "options.letters.1: B → C"),
        ({"model": {"model": "m", "revision": "r2"}}, "model.revision: none → r2"),
        ({"templates": {"judge/pairwise.jinja": "ab"}}, "templates.judge/pairwise.jinja: none → ab"),
        ({"parts": [["judge.x", "rules"]]}, "parts.0.0: none → judge.x"),
    ],
)
def test_everything_that_a_verdict_depends_on_tells_judges_apart(change: dict[str, Any], line: str) -> None:
    found = differences(JUDGE, JUDGE.model_copy(update=change))
    assert line in found


def test_a_judge_that_asks_no_model_is_the_same_with_any() -> None:
    alone = JUDGE.model_copy(update={"model": {}})
    assert differences(alone, JUDGE) == []
    assert differences(JUDGE, alone) != []
