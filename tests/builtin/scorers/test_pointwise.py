from __future__ import annotations

from typing import Any

import pytest

from constitutional.core.messages import ChatRequest
from tests.support.judging import Bench, Mind, thinking


def weighing(weights: dict[str, float]) -> Mind:
    mind = Mind()

    def answer(request: ChatRequest, options: tuple[str, ...] | None) -> Any:
        mind.asked.append(request)
        return weights

    mind.answer = answer  # type: ignore[method-assign]
    return mind


@pytest.mark.parametrize(
    ("weights", "value"),
    [
        ({"1": 1.0}, 0.0),
        ({"10": 1.0}, 1.0),
        ({"1": 0.5, "10": 0.5}, 0.5),
        ({str(n): 0.1 for n in range(1, 11)}, 0.5),
        ({"7": 0.25, "8": 0.5, "9": 0.25}, 7 / 9),
        ({"4": 0.02, "Well": 0.98}, 1 / 3),
    ],
)
def test_the_expected_grade_is_rescaled(bench: Bench, weights: dict[str, float], value: float) -> None:
    with thinking(weighing(weights)) as (mind,):
        score = bench.score("pointwise", "An answer.")
        assert len(mind.asked) == 1
    assert score.value == pytest.approx(value)
    assert score.method == "logprobs"


@pytest.mark.parametrize("weights", [{}, {"Well": 1.0}, {"4": 0.005, "Well": 0.995}])
def test_what_is_no_grade_is_an_abstention(bench: Bench, weights: dict[str, float]) -> None:
    with thinking(weighing(weights)):
        score = bench.score("pointwise", "An answer.")
    assert score.value is None
    assert "unreadable" in score.note
    assert score.calls


def test_without_logprobs_five_replies_are_counted(counting: Bench) -> None:
    said = ["8", "8/10", "**9**", "I would say eight.", "10"]
    with thinking(Mind(chat=lambda request: said[request.sample])) as (mind,):
        score = counting.score("pointwise", "An answer.")
        assert {request.sampling.temperature for request in mind.asked} == {1.0}
    assert score.method == "sampled:5"
    grades = [8, 9, 10]
    assert score.value == pytest.approx((sum(grades) / len(grades) - 1) / 9), "two of them cannot be read"
    assert len(score.calls) == 5


def test_without_logprobs_nothing_readable_is_an_abstention(counting: Bench) -> None:
    with thinking(Mind(grade=lambda answer: None)):
        score = counting.score("pointwise", "An answer.")
    assert (score.value, score.method) == (None, "sampled:5")
