from __future__ import annotations

from typing import Any

import pytest

from constitutional.core.messages import ChatRequest
from constitutional.errors import ConfigError, RequestRefusedError
from tests.support.judging import Bench, Mind, thinking


def test_reasons_first_and_then_the_verdict(bench: Bench) -> None:
    with thinking(lambda first, second: 0.99 if first == "one" else 0.01) as (mind,):
        judged = bench.judge("pairwise-cot", "one", "two")
        chats = [request for request in mind.asked if len(request.messages) == 1]
        verdicts = [request for request in mind.asked if len(request.messages) == 3]
    assert (len(chats), len(verdicts)) == (2, 2)
    for request in verdicts:
        question, reasons, verdict = request.messages
        assert question in [chat.messages[0] for chat in chats]
        assert (reasons.role, reasons.content) == ("assistant", "The first says one thing and the second another.")
        assert verdict.content.startswith("So the answer is:")
    assert judged.note == (
        "The first says one thing and the second another.\n\n"
        "(the other way round, B is the first) The first says one thing and the second another."
    )
    assert len(judged.calls) == 4
    assert judged.method == "cot"


def test_each_order_is_clamped(bench: Bench) -> None:
    places = [place / 10 for place in range(11)]
    pairs = [(f"one {forward} {backward}", f"two {forward} {backward}") for forward in places for backward in places]

    def says(first: str, second: str) -> float:
        who, forward, backward = first.split()
        return float(forward if who == "one" else backward)

    with thinking(says):
        for clamp in (None, [0.2, 0.8], [0.4, 0.6]):
            low, high = clamp or (0, 1)
            for (one, two), judged in zip(pairs, bench.judge_all("pairwise-cot", pairs, {"clamp": clamp}), strict=True):
                assert judged.p_ab == pytest.approx(min(max(says(one, two), low), high))
                assert judged.p_ba == pytest.approx(1 - min(max(says(two, one), low), high))
        assert bench.judge_all("pairwise-cot", pairs) == bench.judge_all("pairwise-cot", pairs, {"clamp": [0.4, 0.6]})


def test_the_mean_of_several_chains(bench: Bench) -> None:
    """Each chain is drawn with a seed of its own, and the verdict follows from its reasons."""

    def reasons(request: ChatRequest) -> str | None:
        return f"Reasons {request.sample}." if len(request.messages) == 1 else None

    mind = Mind(chat=reasons)

    def answer(request: ChatRequest, options: tuple[str, ...] | None) -> Any:
        if options is None:
            mind.asked.append(request)
            return reasons(request)
        p = {"Reasons 0.": 0.9, "Reasons 1.": 0.3, "Reasons 2.": None}[request.messages[1].content]
        return {} if p is None else {"A": p, "B": 1 - p}

    mind.answer = answer  # type: ignore[method-assign]
    with thinking(mind):
        judged = bench.judge("pairwise-cot", "one", "two", {"samples": 3, "clamp": None})
    assert judged.p_ab == pytest.approx(0.6), "the one without a verdict is left out"
    assert judged.p_ba == pytest.approx(0.4)
    forward = [request.sampling for request in mind.asked[:3]]
    assert {sampling.temperature for sampling in forward} == {1.0}
    assert len({sampling.seed for sampling in forward}) == 3
    assert "Reasons 1." in judged.note


def test_one_chain_is_greedy(bench: Bench) -> None:
    with thinking(lambda first, second: 0.7) as (mind,):
        bench.judge("pairwise-cot", "one", "two")
    assert {request.sampling.temperature for request in mind.asked} == {0.0}


def test_a_mind_without_reasons_is_still_asked(bench: Bench) -> None:
    with thinking(Mind(lambda first, second: 0.7, chat=lambda request: "  ")) as (mind,):
        judged = bench.judge("pairwise-cot", "one", "two")
        assert "(no reasons given)" in {message.content for request in mind.asked for message in request.messages}
    assert judged.p == pytest.approx(0.5)


@pytest.mark.parametrize("clamp", [[0.4, 0.7], [0.6, 0.4], [0.5, 0.5], [-0.1, 1.1], [0.4]])
def test_a_clamp_favours_no_side(bench: Bench, clamp: list[float]) -> None:
    with pytest.raises(ConfigError, match=r"judge.options.clamp"):
        bench.judge("pairwise-cot", "one", "two", {"clamp": clamp})


def test_reasons_that_leave_no_room_for_the_verdict_cost_only_the_verdict(bench: Bench) -> None:
    def full(first: str, second: str) -> float:
        raise RequestRefusedError("no room for an answer", "context_too_long")

    def odd(first: str, second: str) -> float:
        raise RequestRefusedError("a word that it does not like", "request_refused")

    reasons = Mind(chat=lambda request: "Because." if len(request.messages) == 1 else None)
    for says, mind in ((full, reasons), (odd, Mind(chat=reasons.chat))):
        mind.says = says
    with thinking(reasons):
        judged = bench.judge("pairwise-cot", "one", "two")
    assert (judged.p, judged.note) == (None, "unreadable verdict: its own reasons left no room for it")
    assert len(judged.calls) == 2
    with thinking(mind), pytest.raises(RequestRefusedError, match="does not like"):
        bench.judge("pairwise-cot", "one", "two")


def test_reasons_are_short(bench: Bench) -> None:
    with thinking(lambda first, second: 0.7) as (mind,):
        bench.judge("pairwise-cot", "one", "two", {"max_tokens": 77})
    assert {request.sampling.max_tokens for request in mind.asked if len(request.messages) == 1} == {77}
