from __future__ import annotations

from typing import Any

import pytest

from constitutional.builtin.judges.pairwise_logprob import PairwiseLogprobOptions
from constitutional.core.messages import ChatRequest
from constitutional.errors import ConfigError, TemplateError, UnknownNameError
from tests.support.judging import Bench, Mind, thinking

PAPER = {"template": "judge/paper", "letters": ["(A)", "(B)"]}


def test_two_orders_are_two_calls_and_both_are_kept(bench: Bench) -> None:
    with thinking(lambda first, second: 0.7 if first == "one" else 0.4) as (mind,):
        judged = bench.judge("pairwise-logprob", "one", "two")
        assert len(mind.asked) == 2
    assert [judged.p_ab, judged.p_ba, judged.p] == pytest.approx([0.7, 0.6, 0.65])
    assert (judged.method, judged.note) == ("logprobs", "")
    assert judged.position_offset == pytest.approx(0.05)
    assert len(set(judged.calls)) == 2


def test_a_second_judging_asks_nothing(bench: Bench) -> None:
    with thinking(lambda first, second: 0.7) as (mind,):
        once = bench.judge("pairwise-logprob", "one", "two")
        again = bench.judge("pairwise-logprob", "one", "two")
        assert len(mind.asked) == 2
    assert once == again


def test_the_published_question(bench: Bench) -> None:
    with thinking(lambda first, second: 0.7) as (mind,):
        bench.judge("pairwise-logprob", "Eight minutes.", "Never.", PAPER)
        (text,) = (
            request.messages[-1].content for request in mind.asked if "(A) Eight" in request.messages[-1].content
        )
    assert text.startswith("Consider the following conversation between a human and an assistant:\n\nUser: How do I")
    assert "\nOptions:\n(A) Eight minutes.\n\n(B) Never.\n\n" in text
    assert text.endswith("\n\nThe answer is:")


@pytest.mark.parametrize("mass", [0.0, 0.001, 0.0099, 0.011, 0.5, 1.0])
def test_too_little_mass_on_the_options_is_no_verdict(bench: Bench, mass: float) -> None:
    def weak(request: ChatRequest, options: tuple[str, ...] | None) -> Any:
        return {"A": 0.7 * mass, "B": 0.3 * mass, "Certainly": 1 - mass}

    mind = Mind()
    mind.answer = weak  # type: ignore[method-assign]
    with thinking(mind):
        default = bench.judge("pairwise-logprob", "a", "b")
        strict = bench.judge("pairwise-logprob", "a", "b", {"least_mass": 0.6})
        lenient = bench.judge("pairwise-logprob", "a", "b", {"least_mass": 0})
    assert (default.p is None, strict.p is None, lenient.p is None) == (mass < 0.01, mass < 0.6, mass == 0)
    assert ("unreadable" in default.note) == (default.p is None)
    assert default.p_ab in (None, pytest.approx(0.7))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"letters": ["A", "A "]}, ConfigError, "judge.options.letters: Value error, two different letters"),
        ({"letters": ["A", ""]}, ConfigError, "judge.options.letters: Value error, two different letters"),
        ({"letters": ["A"]}, ConfigError, r"judge.options.letters.1: Field required"),
        ({"leters": ["A", "B"]}, ConfigError, "did you mean 'letters'?"),
        ({"least_mass": 2}, ConfigError, "judge.options.least_mass"),
        ({"template": "judge/papper"}, UnknownNameError, "did you mean 'judge/paper'"),
        ({"template": "score/pointwise"}, TemplateError, "unknown variable 'response'"),
    ],
)
def test_wrong_options_are_said_before_anything_is_asked(
    bench: Bench, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        bench.judge("pairwise-logprob", "one", "two", options)


def test_the_defaults() -> None:
    options = PairwiseLogprobOptions()
    assert (options.template, options.letters, options.least_mass) == ("judge/pairwise", ("A", "B"), 0.01)
