from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.builtin.judges.panel import PanelJudge, PanelJudgeOptions, combined
from constitutional.core.constitution import Constitution
from constitutional.core.messages import ChatReply, ChatRequest, Choice
from constitutional.core.stacking import stacked
from constitutional.errors import ConfigError, PluginError, UnknownNameError
from constitutional.roles import Setup
from constitutional.templates import Templates
from tests.support.judging import Bench, Mind, by_position, by_quality, silent, thinking, upside_down

GOOD, BAD = "Boil it for about eight minutes.", "Boil it for a lie."
RULES = {"plugin": "rules", "options": {"rules": [{"check": "length", "most": 5}]}}
TWO = {"members": ["pairwise-logprob", {"plugin": "pairwise-logprob", "model": "other"}]}
VOTES = ("soft", "majority", "weights")


def test_members_may_be_plugins_and_models(bench: Bench) -> None:
    members = ["pairwise-logprob", {"plugin": "rubric", "model": "other", "name": "strict"}, RULES]
    with thinking(by_quality, lambda first, second: 0.7 if first == GOOD else 0.3) as (other, usual):
        judged = bench.judge("panel", GOOD, BAD, {"members": members})
        assert (len(other.asked), len(usual.asked)) == (2, 2)
    said = dict(judged.members)
    assert list(said) == ["pairwise-logprob", "strict", "rules"]
    assert said["pairwise-logprob"] == pytest.approx(0.7)
    assert said["rules"] == pytest.approx(0.05)
    assert judged.p == pytest.approx(sum(p or 0 for p in said.values()) / 3)
    assert judged.method == "panel:soft(logprobs+rubric+rules)"
    assert judged.note == "2 for A, 1 for B"
    assert judged.disagreement == pytest.approx((said["strict"] or 0) - 0.05)
    assert len(judged.calls) == 4


def test_weights_count(bench: Bench) -> None:
    weighted = {"members": ["pairwise-logprob", RULES | {"weight": 3}]}
    with thinking(lambda first, second: 0.9 if first == GOOD else 0.1):
        assert bench.judge("panel", GOOD, BAD, weighted).p == pytest.approx((0.9 + 3 * 0.05) / 4)
        assert bench.judge("panel", GOOD, BAD, weighted | {"weights": [1, 0]}).p == pytest.approx(0.9)
        majority = bench.judge("panel", GOOD, BAD, weighted | {"vote": "majority"})
        learned = bench.judge("panel", GOOD, BAD, weighted | {"vote": "weights", "weights": [0.5, 0.25]})
    assert majority.p == pytest.approx(0.25)
    assert majority.method == "panel:majority(logprobs+rules)"
    assert learned.p == pytest.approx(stacked([0.9, 0.05], [0.5, 0.25]))


def test_a_member_that_abstains_is_left_out(bench: Bench) -> None:
    with thinking(silent, lambda first, second: 0.8 if first == GOOD else 0.2):
        judged = bench.judge("panel", GOOD, BAD, TWO)
    assert judged.p == pytest.approx(0.8)
    assert dict(judged.members) == {"pairwise-logprob": pytest.approx(0.8), "pairwise-logprob other": None}
    assert judged.note == "1 for A, 1 abstained"
    assert judged.disagreement is None


def test_where_all_abstain_the_panel_does(bench: Bench) -> None:
    with thinking(silent, silent):
        judged = bench.judge("panel", GOOD, BAD, TWO)
    assert (judged.p, judged.p_ab, judged.p_ba) == (None, None, None)
    assert (judged.note, judged.method) == ("every member abstained", "panel:soft(none)")
    assert len(judged.members) == 2


@pytest.mark.parametrize("vote", VOTES)
def test_a_biased_member_is_seen_through_the_panel(bench: Bench, vote: str) -> None:
    """One looks at the place and one at the answers: the mean is right, and the offset shows the other."""
    with thinking(by_position, by_quality):
        judged = bench.judge("panel", GOOD, BAD, TWO | {"vote": vote})
    assert judged.p is not None
    assert judged.position_offset is not None
    assert judged.p > 0.5
    assert judged.position_offset > 0.1
    with thinking(by_position, by_position):
        judged = bench.judge("panel", GOOD, "Boil it for another lie.", TWO | {"vote": vote})
    assert judged.p == pytest.approx(0.5)
    assert judged.consistent is False


@pytest.mark.parametrize("vote", VOTES)
def test_members_that_contradict_each_other_are_a_tie_and_a_disagreement(bench: Bench, vote: str) -> None:
    with thinking(upside_down, by_quality):
        judged = bench.judge("panel", GOOD, BAD, TWO | {"vote": vote})
    assert judged.p == pytest.approx(0.5)
    assert judged.disagreement == pytest.approx(0.8)


P = st.none() | st.floats(0, 1)


@given(st.lists(st.tuples(P, st.floats(0, 2)), min_size=1, max_size=5), st.sampled_from(VOTES))
def test_votes_turn_round_with_the_answers(members: list[tuple[float | None, float]], vote: Any) -> None:
    ps, weights = [p for p, _ in members], [weight for _, weight in members]
    p = combined(ps, weights, vote)
    turned = combined([None if one is None else 1 - one for one in ps], weights, vote)
    assert (p is None) == all(one is None or weight == 0 for one, weight in members)
    if p is not None:
        assert -1e-9 <= p <= 1 + 1e-9
        assert turned == pytest.approx(1 - p, abs=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ConfigError, "judge.options.members: Field required"),
        ({"members": ["rules"]}, ConfigError, "judge.options.members: List should have at least 2 items"),
        ({"members": ["pairwise-logprob"] * 2, "weights": [1]}, ConfigError, "1 weights for 2 members"),
        ({"members": ["pairwise-logprob"] * 2, "weights": [0, 0]}, ConfigError, "every member's weight is 0"),
        (
            {"members": ["pairwise-logprob", "rules"]},
            ConfigError,
            r"judge.options.members.1.options.rules: Field required",
        ),
        ({"members": ["pairwise-logprob", "pairwise-logprop"]}, UnknownNameError, "did you mean 'pairwise-logprob'"),
        (
            {"members": ["rubric", {"plugin": "rubric", "model": "othr"}]},
            UnknownNameError,
            "no model 'othr' under `models`",
        ),
    ],
)
def test_wrong_options(bench: Bench, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with thinking(silent, silent), pytest.raises(error, match=message):
        bench.judge("panel", GOOD, BAD, options)


def test_equal_members_are_told_apart(bench: Bench) -> None:
    with thinking(by_quality):
        judged = bench.judge("panel", GOOD, BAD, {"members": ["pairwise-logprob"] * 2 + ["rubric"]})
    assert [name for name, _ in judged.members] == ["pairwise-logprob 1", "pairwise-logprob 2", "rubric"]


def test_panels_may_sit_on_panels(bench: Bench) -> None:
    inner = {"plugin": "panel", "options": {"members": ["pairwise-logprob", RULES]}, "model": "other"}
    with thinking(lambda first, second: 0.9 if first == GOOD else 0.1, upside_down) as (other, usual):
        judged = bench.judge("panel", GOOD, BAD, {"members": [inner, RULES]})
        assert len(other.asked) == 2, "a panel's model is its members'"
        assert usual.asked == []
    assert judged.p == pytest.approx(((0.9 + 0.05) / 2 + 0.05) / 2)


def test_the_plan_knows_the_members_models(bench: Bench) -> None:
    def plan(**models: Any) -> str:
        config = bench.config(judge={"plugin": "panel", "options": TWO})
        config = config.model_copy(update={"models": config.models | models})

        async def work(assembly: Any) -> str:
            return str(assembly.plan)

        return str(bench.use(config, work)[0])

    other = bench.config().models["other"]
    assert plan() == plan()
    assert plan() != plan(other=other.model_copy(update={"revision": "2"}))
    assert plan() == plan(unused=other)


def test_a_setup_outside_a_run_makes_no_parts(tmp_path: Path) -> None:
    options = PanelJudgeOptions.model_validate({"members": ["rules", "rubric"]})
    setup = Setup("panel", options, Unasked(), Templates(tmp_path), Constitution("none", "1", ()))
    with pytest.raises(PluginError, match="judge 'rules' cannot be made here"):
        PanelJudge(setup)


class Unasked:
    id = "nobody"

    async def chat(self, request: ChatRequest) -> ChatReply:
        raise AssertionError

    async def choose(self, request: ChatRequest, options: tuple[str, ...]) -> Choice:
        raise AssertionError


def test_a_panel_of_scorers(bench: Bench) -> None:
    rules = {"plugin": "rules", "options": {"rules": [{"check": "length", "most": 4}]}, "weight": 3}
    with thinking(Mind(grade=lambda answer: 10)):
        score = bench.score("panel", GOOD, {"members": ["pointwise", rules]})
    assert score.value == pytest.approx(0.25)
    assert (score.method, score.note) == ("panel:soft(logprobs+rules)", "pointwise 1.00, rules 0.00")
    with thinking(Mind(grade=lambda answer: None)):
        left = bench.score("panel", "Four words it has", {"members": ["pointwise", rules]})
        silent = bench.score("panel", "Nobody says a word", {"members": ["pointwise", "pointwise"]})
    assert (left.value, left.note) == (1.0, "pointwise abstained, rules 1.00")
    assert silent.value is None
