"""From verdicts to a label, or to the reason why there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from constitutional.core.records import Reason
from tests.support.runs import HONESTY, SAFETY, STYLE, World, better, label, run, tier


def test_a_judge_that_favours_a_place_cancels_out(tmp_path: Path) -> None:
    made = run(tmp_path, ["rude day"], STYLE, world=World(prefer=lambda a, b, word: 0.8))
    (judged,) = made.trace.judgements
    assert judged.p_ab == pytest.approx(0.8)
    assert judged.p_ba == pytest.approx(0.2)
    assert judged.p == pytest.approx(0.5)
    assert judged.consistent is False
    assert made.reject.reason == Reason.TIE
    assert made.reject.detail == f"{judged.a} and {judged.b}: every tier ties"


def test_what_is_left_of_an_opinion_after_the_bias_is_the_label(tmp_path: Path) -> None:
    """Prefers the first place by 0.1, and the polite answer by 0.3."""

    def prefer(a: str, b: str, word: str) -> float:
        return 0.6 + 0.3 * (("rude" in b) - ("rude" in a))

    trace = run(tmp_path, ["rude day"], STYLE, world=World(prefer=prefer)).trace
    assert trace.judgements[0].p_ab == pytest.approx(0.9)
    assert trace.judgements[0].p_ba == pytest.approx(0.7)
    assert trace.pairs[0].p_chosen == pytest.approx(0.8)
    assert trace.pairs[0].margin == pytest.approx(0.6)
    assert trace.pairs[0].judge_method == "logprobs"


def test_a_tie_in_one_tier_goes_to_the_next_and_in_all_is_a_reject(tmp_path: Path) -> None:
    opinions = {"false": 0.55, "rude": 0.9}

    def prefer(a: str, b: str, word: str) -> float:
        return opinions[word] if "rude" in b else 1 - opinions[word]

    tolerant = tier("honesty", "strong", "false", tolerance=0.1)
    decided = run(_new(tmp_path, "a"), ["rude day"], tolerant, STYLE, world=World(prefer=prefer)).trace
    assert decided.pairs[0].ruling.tier_id == "style"
    opinions["rude"] = 0.5
    tied = run(_new(tmp_path, "b"), ["rude day"], tolerant, STYLE, world=World(prefer=prefer))
    assert tied.reject.reason == Reason.TIE
    assert tied.result.failures == 0


def _new(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


def test_a_tier_that_is_overruled_is_a_conflict(tmp_path: Path) -> None:
    def prefer(a: str, b: str, word: str) -> float:
        likes_revised = 0.9 if word == "false" else 0.3
        return likes_revised if "false" in b else 1 - likes_revised

    trace = run(tmp_path, ["false day"], HONESTY, STYLE, world=World(prefer=prefer)).trace
    (conflict,) = trace.pairs[0].ruling.conflicts
    assert (conflict.overruled, conflict.by) == ("style", "honesty")
    assert conflict.overruled_p == pytest.approx(0.3)
    assert conflict.by_p == pytest.approx(0.9)


@pytest.mark.parametrize("orders", ["both", "one"])
def test_a_verdict_that_cannot_be_read_is_an_abstention(tmp_path: Path, orders: str) -> None:
    def prefer(a: str, b: str, word: str) -> float | None:
        return None if orders == "both" or "rude" in b else better(a, b, word)

    made = run(tmp_path, ["rude day"], STYLE, world=World(prefer=prefer))
    (judged,) = made.trace.judgements
    assert (judged.p, judged.consistent, judged.note) == (None, None, "unreadable verdict")
    assert made.reject.reason == Reason.ABSTAINED
    assert made.reject.detail.endswith(": no readable verdict")
    assert made.result.failures == 0


def test_an_unreadable_principle_leaves_the_others_to_decide(tmp_path: Path) -> None:
    def prefer(a: str, b: str, word: str) -> float | None:
        return None if word == "false" else better(a, b, word)

    trace = run(tmp_path, ["rude day"], tier("all", "soft", "false", "rude"), world=World(prefer=prefer)).trace
    assert trace.pairs[0].p_chosen == pytest.approx(0.9)


def test_an_empty_answer_is_a_failure_where_it_is_the_only_one(tmp_path: Path) -> None:
    made = run(tmp_path, ["x"], SAFETY, world=World(respond=lambda question, sample: " \n"), max_failure_rate=1)
    assert made.trace.status == "failed"
    assert made.reject.reason == Reason.EMPTY_RESPONSE
    assert made.reject.failure


def test_an_empty_answer_among_others_is_left_out(tmp_path: Path) -> None:
    world = World(respond=lambda question, sample: "" if sample == 0 else question)
    trace = run(tmp_path, ["bad day"], SAFETY, world=world, responses=2).trace
    assert label(trace) == ("day", "bad day")
    (reject,) = trace.rejects
    assert (reject.reason, reject.failure, trace.status) == (Reason.EMPTY_RESPONSE, False, "paired")


def test_every_sample_that_was_revised_is_a_pair(tmp_path: Path) -> None:
    world = World(respond=lambda question, sample: ["bad one", "fine", "bad two"][sample])
    trace = run(tmp_path, ["?"], SAFETY, world=world, responses=3).trace
    assert [(pair.chosen.text, pair.rejected.text) for pair in trace.pairs] == [("one", "bad one"), ("two", "bad two")]


def test_best_against_worst(tmp_path: Path) -> None:
    grades = {"good": 10, "middling": 5, "poor": 1}
    world = World(
        respond=lambda question, sample: list(grades)[sample],
        grade=lambda answer, word: grades[answer],
        prefer=lambda a, b, word: 0.7 if grades[a] > grades[b] else 0.3,
    )
    trace = run(tmp_path, ["?"], STYLE, world=world, responses=3, rounds=0, strategy="best-vs-worst").trace
    (pair,) = trace.pairs
    assert label(trace) == ("good", "poor")
    assert (pair.chosen_score, pair.rejected_score) == (1.0, 0.0)
    assert pair.p_chosen == pytest.approx(0.7)
    assert pair.strategy == "best-vs-worst"
    assert [score.value for score in trace.scores] == [1.0, pytest.approx(4 / 9), 0.0]


def test_the_judge_may_overrule_the_scores(tmp_path: Path) -> None:
    world = World(
        respond=lambda question, sample: ["liked", "graded"][sample],
        grade=lambda answer, word: 10 if answer == "graded" else 1,
        prefer=lambda a, b, word: 0.9 if a == "liked" else 0.1,
    )
    trace = run(tmp_path, ["?"], STYLE, world=world, responses=2, rounds=0, strategy="best-vs-worst").trace
    assert label(trace) == ("liked", "graded")
    assert (trace.pairs[0].chosen_score, trace.pairs[0].rejected_score) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("grade", "why"),
    [
        (7, (Reason.NO_COMPARISON, "2 of 2 answers could be scored, all 0.667")),
        (None, (Reason.ABSTAINED, "none of 2 answers could be scored")),
    ],
)
def test_where_scores_do_not_differ_nothing_is_compared(
    tmp_path: Path, grade: int | None, why: tuple[str, str]
) -> None:
    world = World(respond=lambda question, sample: f"answer {sample}", grade=lambda answer, word: grade)
    made = run(tmp_path, ["?"], STYLE, world=world, responses=2, rounds=0, strategy="best-vs-worst")
    assert (made.reject.reason, made.reject.detail) == why
    assert made.trace.judgements == ()


def test_one_text_answered_twice_is_one_candidate(tmp_path: Path) -> None:
    world = World(respond=lambda question, sample: "the same")
    trace = run(tmp_path, ["?"], STYLE, world=world, responses=3, rounds=0, strategy="best-vs-worst").trace
    assert trace.scores == (), "one candidate needs no score"
    assert trace.pairs == ()


@pytest.mark.parametrize(("min_margin", "kept"), [(0.0, True), (0.8, True), (0.81, False), (1.0, False)])
def test_a_pair_under_the_least_margin_is_dropped(tmp_path: Path, min_margin: float, kept: bool) -> None:
    """P = 0.9 is a margin of 0.8, whatever floating point makes of 2 · 0.9 - 1."""
    made = run(tmp_path, ["rude day"], STYLE, min_margin=min_margin)
    assert bool(made.trace.pairs) is kept
    if not kept:
        assert made.reject.reason == Reason.BELOW_MARGIN
        assert made.reject.detail.endswith(f": margin 0.800 < {min_margin:g}")


def test_a_filter_drops_a_pair_with_its_reason(tmp_path: Path) -> None:
    short = {"plugin": "min-length", "options": {"characters": 4}}
    made = run(tmp_path, ["rude day", "rude morning"], STYLE, filters=[short, "identical"])
    dropped, kept = made.traces
    assert [(reject.reason, reject.failure) for reject in dropped.rejects] == [("too_short", False)]
    assert label(kept) == ("morning", "rude morning")
    assert made.result.rejects == {"too_short": 1}


def test_answers_that_differ_in_white_space_alone_are_identical_to_the_filter(tmp_path: Path) -> None:
    world = World(
        respond=lambda question, sample: ["a b", "a\n\nb"][sample],
        grade=lambda answer, word: 2 if "\n" in answer else 9,
        prefer=lambda a, b, word: 0.1 if "\n" in a else 0.9,
    )
    settings: dict[str, Any] = {"world": world, "responses": 2, "rounds": 0, "strategy": "best-vs-worst"}
    assert len(run(_new(tmp_path, "a"), ["?"], STYLE, **settings).trace.pairs) == 1
    made = run(_new(tmp_path, "b"), ["?"], STYLE, filters=["identical"], **settings)
    assert made.reject.reason == Reason.IDENTICAL


def test_a_model_without_log_probabilities_is_sampled_and_every_record_says_so(tmp_path: Path) -> None:
    world = World(prefer=lambda a, b, word: 0.75 if "rude" in b else 0.25)
    trace = run(tmp_path, ["rude day"], STYLE, logprobs=False, world=world).trace
    assert {critique.method for critique in trace.critiques} == {"sampled:5"}
    (judged,) = trace.judgements
    assert (judged.method, len(judged.calls), len(set(judged.calls))) == ("sampled:5", 10, 10)
    assert judged.p == pytest.approx(0.8)  # four of five
    assert trace.pairs[0].judge_method == "sampled:5"


def test_samples_that_name_no_option_are_not_counted(tmp_path: Path) -> None:
    def prefer(a: str, b: str, word: str) -> float | None:
        return None if "rude" in a else 0.75

    made = run(tmp_path, ["rude day"], STYLE, logprobs=False, world=World(prefer=prefer))
    assert made.trace.judgements[0].p_ab == pytest.approx(0.8)
    assert made.trace.judgements[0].p is None
    assert made.reject.reason == Reason.ABSTAINED
