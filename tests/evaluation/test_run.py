"""An evaluation of models with planted behaviour: what was planted is found, and nothing is asked twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from constitutional.core.codec import from_json
from constitutional.core.records import Trace
from constitutional.errors import RunStoppedError, UsageError
from constitutional.evaluation.result import Comparison, Evaluation, Measured
from constitutional.evaluation.run import evaluate
from constitutional.evaluation.settings import EvaluateSettings
from constitutional.ledger import LedgerView
from tests.evaluation.planted import calls, named, prompts, settings


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[EvaluateSettings, Evaluation]:
    """Base, tuned, and one that refuses a lot."""
    given = settings(tmp_path_factory.mktemp("evaluation"), 160, more=(named("timid"),))
    return given, evaluate(given)


def of(found: Evaluation, model: str, measure: str) -> Measured:
    value = found.measure(model, measure)
    assert value is not None
    return value


def against_base(found: Evaluation, measure: str, model: str = "tuned") -> Comparison:
    (one,) = (one for one in found.comparisons if (one.model, one.measure) == (model, measure))
    return one


@pytest.mark.parametrize(
    ("model", "measure", "planted"),
    [
        ("base", "violation_rate", 0.5),
        ("tuned", "violation_rate", 0.05),
        ("tuned", "violation_rate/principle:discreet", 0.05),
        ("base", "violation_rate/tier:style", 0.5),
        ("base", "violation_rate/tag:odd", 0.5),
        ("timid", "over_refusal", 0.6),
        ("timid", "refusal_harmful", 0.6),
        ("tuned", "over_refusal", 0.0),
        ("tuned", "win_rate", 0.5 + 0.45 / 2),
        ("base", "length", 12.0),
        ("base", "empty", 0.0),
    ],
)
def test_what_was_planted_is_found(
    compared: tuple[EvaluateSettings, Evaluation], model: str, measure: str, planted: float
) -> None:
    found = of(compared[1], model, measure)
    assert found.low <= found.value <= found.high
    slack = (found.high - found.low) / 2  # an interval misses one time in twenty, and here are eleven
    assert found.low - slack <= planted <= found.high + slack


def test_the_verdicts_say_what_improved_and_what_it_cost(compared: tuple[EvaluateSettings, Evaluation]) -> None:
    found = compared[1]
    assert against_base(found, "violation_rate").verdict == "improved"
    assert against_base(found, "win_rate").verdict == "improved"
    assert against_base(found, "over_refusal").verdict == "indistinguishable"
    assert against_base(found, "over_refusal", "timid").verdict == "worse"
    assert against_base(found, "refusal_harmful", "timid").verdict == "improved"
    assert against_base(found, "length", "timid").verdict == "lower", "neither way is better"


def test_every_model_has_a_rating_with_an_interval(compared: tuple[EvaluateSettings, Evaluation]) -> None:
    rating = compared[1].rating
    assert [row["name"] for row in rating["models"]][-1] == "base"
    assert rating["games"] == 3 * 160, "every model with every other"
    assert all(row["low"] <= row["rating"] <= row["high"] for row in rating["models"])


def test_the_file_is_the_evaluation_and_says_what_it_means(compared: tuple[EvaluateSettings, Evaluation]) -> None:
    given, found = compared
    written = json.loads((given.where / given.out / "evaluation.json").read_text())
    assert written["format"] == 1
    assert set(written["measures"]) == {"base", "tuned", "timid"} == {model["name"] for model in written["models"]}
    assert {one["measure"] for one in written["comparisons"]} <= set(written["about"])
    assert written["about"]["violation_rate"]["better"] == "lower"
    assert written["about"]["length"]["better"] is None
    assert written["measures"]["tuned"]["win_rate"]["value"] == of(found, "tuned", "win_rate").value
    assert written["usage"]["calls"] == sum(role["calls"] for role in written["usage"]["by_role"])


def test_the_traces_hold_every_answer_and_verdict(compared: tuple[EvaluateSettings, Evaluation]) -> None:
    given = compared[0]
    with LedgerView(given.where / given.out / "run.db") as view:
        traces = [from_json(Trace, body) for (body,) in view.rows("SELECT body FROM traces ORDER BY position")]
    assert [trace.prompt.id for trace in traces] == [row["id"] for row in prompts(160)]
    first = traces[1]
    assert [response.id for response in first.responses] == ["base:p1.0", "tuned:p1.0", "timid:p1.0"]
    assert {critique.principle_id for critique in first.critiques} == {"discreet", "also"}
    assert [(ruling.a[:6], ruling.b[:6]) for ruling in first.rulings] == [
        ("tuned:", "base:p"), ("timid:", "base:p"), ("timid:", "tuned:"),
    ]  # fmt: skip


def test_the_same_again_asks_nothing_and_finds_the_same(compared: tuple[EvaluateSettings, Evaluation]) -> None:
    given, found = compared
    again, asked = calls(lambda: evaluate(given))
    assert asked == 0
    assert again.to_json() == found.to_json()


def test_a_model_more_asks_only_for_what_is_new(tmp_path: Path) -> None:
    given = settings(tmp_path, 8)
    evaluate(given)
    _, asked = calls(lambda: evaluate(replace(given, more=(named("chatty"),))))
    # per prompt an answer; per answer and principle (1½) a verdict; per pair (2) and principle both orders
    assert asked == 8 + 12 + 2 * 12 * 2


def test_a_budget_stops_it_and_the_rest_is_asked_later(tmp_path: Path) -> None:
    given = settings(tmp_path, 8)
    with pytest.raises(RunStoppedError, match="budget of 20 calls"):
        evaluate(replace(given, max_calls=20))
    stopped, all_of_it = 20, calls(lambda: evaluate(replace(given, out="other")))[1]
    found, rest = calls(lambda: evaluate(given))
    assert rest == all_of_it - stopped
    assert found.to_json() == evaluate(replace(given, out="other")).to_json()


def test_the_same_prompts_have_the_same_seeds(tmp_path: Path) -> None:
    from tests.evaluation import planted

    planted.ASKED.clear()
    evaluate(settings(tmp_path, 5, responses=2))
    asked = [request for request in planted.ASKED if request.messages[-1].content.startswith("question")]
    seeds = [(request.messages, request.sampling.seed, request.sample) for request in asked]
    assert len(seeds) == 20
    assert sorted(seeds[:10], key=str) == sorted(seeds[10:], key=str)
    assert len(set(seeds)) == 10


def test_what_fails_is_counted_and_left_out(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [*prompts(19), {"id": "bad", "prompt": "UNANSWERABLE"}]
    found = evaluate(settings(tmp_path, rows=rows))
    assert found.failures == {"plugin_failed": 2}, "of either model"
    assert (found.status, of(found, "tuned", "length").n) == ("complete", 19)
    strict = evaluate(settings(tmp_path, rows=rows, max_failure_rate=0.01))
    assert strict.status == "too-many-failures"


def test_a_model_that_never_answers_ends_it(tmp_path: Path) -> None:
    with pytest.raises(RunStoppedError, match=r"base answered none of the 1 prompts: .*fell over"):
        evaluate(settings(tmp_path, rows=[{"prompt": "UNANSWERABLE"}]))


def test_an_empty_answer_loses_and_upholds_nothing(tmp_path: Path) -> None:
    found = evaluate(settings(tmp_path, 80, tuned=named("mute")))
    empty = of(found, "tuned", "empty").value
    assert 0.3 < empty < 0.7
    assert of(found, "tuned", "violation_rate").n == round(80 * (1 - empty))
    assert of(found, "tuned", "win_rate").value < 0.4
    assert against_base(found, "empty").verdict == "worse"


def test_without_tags_refusals_by_kind_are_not_measured(tmp_path: Path) -> None:
    found = evaluate(settings(tmp_path, rows=[{"prompt": f"question {n}?"} for n in range(5)], gate="over_refusal<0.1"))
    assert found.measure("tuned", "over_refusal") is None
    assert "no prompt has the tag" in found.not_measured["over_refusal"]
    assert found.measure("tuned", "refusal_rate") is not None
    (condition,) = found.gate
    assert (condition.passed, condition.value) == (False, None)
    assert condition.words.startswith("not measured: no prompt has the tag")


def test_a_tag_that_nobody_has_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--benign bening: no prompt has this tag; did you mean 'benign'\?"):
        evaluate(settings(tmp_path, benign=("bening",)))


def test_own_tags_say_what_is_benign(tmp_path: Path) -> None:
    found = evaluate(settings(tmp_path, 20, benign=("odd",), harmful=("even",)))
    assert of(found, "tuned", "over_refusal").n == 10


def test_the_same_model_twice_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="base and tuned are the same model"):
        evaluate(settings(tmp_path, tuned=named("base")))


def test_scorers_are_measures_with_their_tags(tmp_path: Path) -> None:
    from constitutional.config.run import PartConfig

    rules = PartConfig(plugin="rules", options={"rules": [{"check": "lacks", "pattern": "secret"}]})
    both = (rules, rules.model_copy(update={"options": {"rules": [{"check": "json"}]}}))
    found = evaluate(settings(tmp_path, 40, scorers=both, gate="score:rules/tag:odd>0.5, score:rules-2.low>=0"))
    assert of(found, "tuned", "score:rules").value == 1 - of(found, "tuned", "violation_rate").value
    assert of(found, "tuned", "score:rules-2").value == 0.0
    assert found.passed


def test_a_judge_that_loves_length_is_seen_through(tmp_path: Path) -> None:
    from constitutional.config.run import ModelConfig

    judge = {"judge": ModelConfig(name=named("lover_of_length"))}
    found = evaluate(settings(tmp_path, 60, tuned=named("chatty"), models=judge))
    assert of(found, "tuned", "win_rate").value == 1.0
    assert against_base(found, "length").verdict == "higher"
