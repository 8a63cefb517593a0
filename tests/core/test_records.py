from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.core.records import (
    Judgement,
    Member,
    Message,
    Pair,
    Prompt,
    Reason,
    Reject,
    Response,
    Ruling,
    Trace,
)

A, B = (Response(name, "p", name, "m", 0, "") for name in ("a", "b"))
PROBABILITY = st.floats(0, 1)


@given(PROBABILITY, PROBABILITY)
def test_swapping_the_answers_turns_the_probability_round(p_ab: float, p_ba: float) -> None:
    """The judge of (b, a) reads the very same two verdicts, in the other order and from the other point of view."""
    judged = Judgement.of(A, B, "x", p_ab, p_ba, "logprobs")
    swapped = Judgement.of(B, A, "x", 1 - p_ba, 1 - p_ab, "logprobs")
    assert judged.p is not None
    assert swapped.p == pytest.approx(1 - judged.p, abs=1e-12)
    assert (swapped.a, swapped.b) == (judged.b, judged.a)


@given(st.floats(0.51, 1), st.booleans())
def test_a_judge_that_only_looks_at_the_place_says_nothing(lean: float, first: bool) -> None:
    """P(first is better) is the same in both orders: the mean is one half."""
    p = lean if first else 1 - lean
    judged = Judgement.of(A, B, "x", p, 1 - p, "logprobs")
    assert judged.p == pytest.approx(0.5)
    assert judged.consistent is False


@given(st.floats(0.51, 1), st.floats(0.51, 1))
def test_orders_that_agree_are_consistent(p_ab: float, p_ba: float) -> None:
    assert Judgement.of(A, B, "x", p_ab, p_ba, "").consistent is True
    assert Judgement.of(A, B, "x", 1 - p_ab, 1 - p_ba, "").consistent is True
    assert Judgement.of(A, B, "x", p_ab, 1 - p_ba, "").consistent is False
    assert Judgement.of(A, B, "x", 0.5, 0.5, "").consistent is True


@given(st.none() | PROBABILITY, st.booleans())
def test_one_unreadable_order_is_an_abstention(readable: float | None, first: bool) -> None:
    p_ab, p_ba = (readable, None) if first else (None, readable)
    judged = Judgement.of(A, B, "x", p_ab, p_ba, "logprobs", calls=("k",))
    assert (judged.p, judged.consistent) == (None, None)
    assert (judged.p_ab, judged.p_ba) == (p_ab, p_ba)
    assert (judged.note, judged.calls) == ("unreadable verdict", ("k",))


def test_a_judges_own_note_is_kept() -> None:
    assert Judgement.of(A, B, "x", None, 0.5, "", note="refused").note == "refused"


def test_the_id_of_a_prompt_depends_on_the_whole_dialogue() -> None:
    last = Message("user", "And now?")
    dialogues = [(last,), (Message("user", "Hi"), Message("assistant", "Ho"), last), (Message("system", "S"), last)]
    assert len({Prompt.id_of(dialogue) for dialogue in dialogues}) == 3


def test_a_trace_is_failed_if_any_reject_went_wrong_else_paired_if_it_has_a_pair() -> None:
    prompt = Prompt("p", (Message("user", "?"),))
    pair = Pair("p", A, B, 0.9, 0.8, "s", Ruling("a", "b", 0.9, "t"), "logprobs")
    merely, wrong = Reject("p", Reason.TIE), Reject("p", Reason.PLUGIN_FAILED, failure=True)
    assert Trace(prompt).status == "rejected"
    assert Trace(prompt, rejects=(merely,)).status == "rejected"
    assert Trace(prompt, pairs=(pair,), rejects=(merely,)).status == "paired"
    assert Trace(prompt, pairs=(pair,), rejects=(merely, wrong)).status == "failed"


def test_ordinary_outcomes_are_told_from_failures() -> None:
    failures = {Reason.BAD_ROW, Reason.EMPTY_RESPONSE, Reason.CONTEXT_TOO_LONG, Reason.PLUGIN_FAILED, Reason.CRASHED}
    words = {value for name, value in vars(Reason).items() if name.isupper() and isinstance(value, str)}
    assert words == failures | Reason.OUTCOMES


@given(PROBABILITY, PROBABILITY)
def test_the_position_offset_is_what_the_first_place_is_worth(p_ab: float, p_ba: float) -> None:
    judged = Judgement.of(A, B, "x", p_ab, p_ba, "")
    first = (p_ab + (1 - p_ba)) / 2
    assert judged.position_offset == pytest.approx(first - 0.5, abs=1e-12)
    swapped = Judgement.of(B, A, "x", 1 - p_ba, 1 - p_ab, "")
    assert swapped.position_offset == pytest.approx(judged.position_offset, abs=1e-12)


def test_an_order_that_was_not_read_has_no_offset() -> None:
    assert Judgement.of(A, B, "x", 0.7, None, "").position_offset is None


def test_members_disagree_by_their_largest_difference() -> None:
    def panel(*ps: float | None) -> Judgement:
        members = tuple(Member(str(number), p) for number, p in enumerate(ps))
        return Judgement.of(A, B, "x", 0.5, 0.5, "panel", members=members)

    assert panel(0.9, 0.2, None, 0.5).disagreement == pytest.approx(0.7)
    assert panel(0.9, None).disagreement is None
    assert panel().disagreement is None
