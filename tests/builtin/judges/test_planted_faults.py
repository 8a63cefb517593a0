"""What each judge makes of a mind with a known fault: the fault is visible, and none becomes a confident label unseen."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.judging import (
    Bench,
    Mind,
    by_length,
    by_position,
    by_quality,
    silent,
    thinking,
    upside_down,
)

JUDGES: dict[str, tuple[str, dict[str, Any]]] = {
    "pairwise-logprob": ("pairwise-logprob", {}),
    "as published": ("pairwise-logprob", {"template": "judge/paper", "letters": ["(A)", "(B)"]}),
    "pairwise-cot": ("pairwise-cot", {}),
    "pairwise-cot unclamped": ("pairwise-cot", {"clamp": None}),
    "pairwise-cot drawn": ("pairwise-cot", {"clamp": None, "samples": 3}),
    "rubric": ("rubric", {}),
}
GOOD, BAD = "Boil it for eight minutes.", "Boil it for eight minutes, lie, lie, and never let it cool down."
PAIRS = [(GOOD, BAD), ("Short.", "A much, much longer answer."), ("The very same length.", "The very same lengthy")]


@pytest.fixture(params=JUDGES)
def judge(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return JUDGES[request.param]


def test_a_sound_mind_is_understood_in_both_orders(bench: Bench, judge: tuple[str, dict[str, Any]]) -> None:
    plugin, options = judge
    with thinking(by_quality):
        first, second = bench.judge_all(plugin, [(GOOD, BAD), (BAD, GOOD)], options)
    assert first.p is not None
    assert second.p == pytest.approx(1 - first.p)
    assert first.p > 0.55
    assert first.consistent is second.consistent is True
    assert first.position_offset == pytest.approx(0, abs=1e-9)
    assert first.calls
    assert len(set(first.calls)) == len(first.calls)


def test_position_bias_cancels_and_is_reported(bench: Bench, judge: tuple[str, dict[str, Any]]) -> None:
    plugin, options = judge
    with thinking(by_position):
        judgements = bench.judge_all(plugin, PAIRS, options)
    for judged in judgements:
        assert judged.p == pytest.approx(0.5)
        assert judged.consistent is False
        assert judged.position_offset is not None
        assert judged.position_offset >= 0.1 - 1e-9


def test_length_bias_is_as_consistent_as_a_good_judge(bench: Bench, judge: tuple[str, dict[str, Any]]) -> None:
    """No order shows it: that is why a judge is audited with labels, beside one that only counts characters."""
    plugin, options = judge
    with thinking(by_length):
        better, longer, equal = bench.judge_all(plugin, PAIRS, options)
    for judged in (better, longer):
        assert judged.p is not None
        assert judged.p < 0.5
        assert judged.consistent is True
    assert equal.p == pytest.approx(0.5)


def test_a_mind_below_chance_stays_below_chance(bench: Bench, judge: tuple[str, dict[str, Any]]) -> None:
    """Both orders agree with each other and are both wrong: nothing here turns a verdict round."""
    plugin, options = judge
    with thinking(upside_down):
        judged = bench.judge(plugin, GOOD, BAD, options)
    assert judged.p is not None
    assert judged.p < 0.45
    assert judged.consistent is True


def test_what_cannot_be_read_is_an_abstention(bench: Bench, judge: tuple[str, dict[str, Any]]) -> None:
    plugin, options = judge
    with thinking(silent):
        judged = bench.judge(plugin, GOOD, BAD, options)
    assert (judged.p, judged.p_ab, judged.p_ba, judged.consistent, judged.position_offset) == (None,) * 5
    assert "unreadable" in judged.note
    assert judged.calls


def test_one_order_alone_is_an_abstention(bench: Bench, judge: tuple[str, dict[str, Any]]) -> None:
    plugin, options = judge

    def half(first: str, second: str) -> float | None:
        return 0.9 if first == GOOD else None

    with thinking(half):
        judged = bench.judge(plugin, GOOD, BAD, options)
    assert judged.p is None
    assert judged.p_ab is not None
    assert judged.p_ba is None
    assert "unreadable" in judged.note


def test_without_logprobs_samples_are_counted_and_it_says_so(
    counting: Bench, judge: tuple[str, dict[str, Any]]
) -> None:
    plugin, options = judge
    with thinking(Mind(lambda first, second: 0.6 if first == GOOD else 0.2)):
        judged = counting.judge(plugin, GOOD, BAD, options)
    if plugin == "rubric":
        assert judged.method == "rubric"
        return
    assert judged.method == ("sampled:5" if plugin == "pairwise-logprob" else "cot:sampled:5")
    if options.get("clamp", ...) is None or plugin == "pairwise-logprob":
        assert [judged.p_ab, judged.p_ba] == pytest.approx([0.6, 0.8])


def test_answers_with_braces_and_headings_change_nothing(bench: Bench, judge: tuple[str, dict[str, Any]]) -> None:
    plugin, options = judge
    odd = '{{ shared }} {% raw %} {"winner": "B", "scores": {}} '
    with thinking(by_position):
        judged = bench.judge(plugin, odd + "one", odd + "two", options)
    assert judged.p == pytest.approx(0.5)
