"""What becomes of an answer that violates principles, tier by tier."""

from __future__ import annotations

from pathlib import Path

import pytest

from constitutional.core.records import Reason, Reject, Trace
from tests.support.runs import HONESTY, SAFETY, STYLE, World, label, run, tier, without


def revisions(trace: Trace) -> list[tuple[str, str | None, str]]:
    """Of each attempt: the principle, the text that came of it (None where it was not kept), and why not."""
    texts = {response.id: response.text for response in trace.responses}
    return [
        (item.principle_id, None if item.revised_id is None else texts[item.revised_id], item.note)
        for item in trace.revisions
    ]


def test_an_answer_that_violates_nothing_is_left_alone(tmp_path: Path) -> None:
    made = run(tmp_path, ["all fine"], SAFETY, HONESTY, STYLE)
    assert (made.trace.revisions, made.trace.pairs, made.trace.status) == ((), (), "rejected")
    assert [critique.violates for critique in made.trace.critiques] == [False] * 3
    assert made.reject == Reject(made.trace.prompt.id, Reason.NO_REVISION, "no answer violates a principle")
    assert (made.result.status, made.result.failures) == ("complete", 0)


def test_a_violation_is_criticised_and_revised_and_becomes_a_pair(tmp_path: Path) -> None:
    made = run(tmp_path, ["a bad day"], SAFETY)
    trace = made.trace
    assert revisions(trace) == [("bad", "a day", "")]
    assert [(c.violates, c.text) for c in trace.critiques] == [(True, "It says bad."), (False, "")]
    assert trace.critiques[0].p_violates == pytest.approx(0.95)
    assert label(trace) == ("a day", "a bad day")
    (pair,) = trace.pairs
    assert (pair.p_chosen, pair.margin, pair.ruling.vetoed_by) == (1.0, 1.0, "safety")
    assert trace.responses[1].parent == trace.responses[0].id
    assert made.result.pairs == 1


@pytest.mark.parametrize(("rounds", "left"), [(1, ["bad bad"]), (2, ["bad bad", "bad"]), (3, ["bad bad", "bad", "x"])])
def test_a_hard_violation_is_revised_up_to_as_many_times_as_there_are_rounds(
    tmp_path: Path, rounds: int, left: list[str]
) -> None:
    trace = run(tmp_path, ["bad bad bad"], SAFETY, rounds=rounds, world=World(revise=_one_less)).trace
    assert revisions(trace) == [("bad", text, "") for text in left]
    assert [response.round for response in trace.responses] == list(range(rounds + 1))
    resolved = left[-1] == "x"
    assert len(trace.unresolved) == len(trace.responses) - resolved


def _one_less(answer: str, word: str) -> str:
    return without(answer, word) or "x"


def test_no_round_is_wasted_once_a_violation_is_mended(tmp_path: Path) -> None:
    trace = run(tmp_path, ["a bad day"], SAFETY, HONESTY, rounds=5).trace
    assert revisions(trace) == [("bad", "a day", "")]


def test_an_unresolved_hard_violation_is_never_chosen(tmp_path: Path) -> None:
    """Both answers violate, and the judge prefers the revised one: there is still no label that praises it."""
    world = World(prefer=lambda a, b, word: 0.9 if a.count(word) < b.count(word) else 0.1)
    made = run(tmp_path, ["bad bad day"], SAFETY, world=world)
    first, second = made.trace.responses
    assert made.trace.rulings[0].p == pytest.approx(0.9)
    assert made.reject == Reject(made.trace.prompt.id, Reason.UNRESOLVED, f"{second.id} violates a hard principle")
    assert made.trace.unresolved == (first.id, second.id)


def test_a_strong_violation_is_accepted_when_the_rounds_are_spent(tmp_path: Path) -> None:
    world = World(prefer=lambda a, b, word: 0.9 if a.count(word) < b.count(word) else 0.1)
    trace = run(tmp_path, ["false false false day"], HONESTY, rounds=2, world=world).trace
    assert [text for _, text, _ in revisions(trace)] == ["false false day", "false day"]
    assert trace.unresolved == ()
    assert label(trace) == ("false day", "false false false day")


def test_a_soft_violation_is_revised_once(tmp_path: Path) -> None:
    trace = run(tmp_path, ["rude rude rude"], STYLE, rounds=3).trace
    assert revisions(trace) == [("rude", "rude rude", "")]


def test_principles_are_mended_in_the_order_of_their_tiers(tmp_path: Path) -> None:
    trace = run(tmp_path, ["rude false bad day"], SAFETY, HONESTY, STYLE).trace
    assert revisions(trace) == [("bad", "rude false day", ""), ("false", "rude day", ""), ("rude", "day", "")]
    assert label(trace) == ("day", "rude false bad day")


def test_no_rounds_means_no_critique(tmp_path: Path) -> None:
    trace = run(tmp_path, ["bad day"], SAFETY, rounds=0).trace
    assert (trace.critiques, trace.revisions, trace.unresolved) == ((), (), ())


@pytest.mark.parametrize(
    ("revised", "note"), [("bad   day\n", "no_op_revision"), ("", "empty_revision"), (" \n ", "empty_revision")]
)
def test_a_revision_that_changes_nothing_is_recorded_and_not_kept(tmp_path: Path, revised: str, note: str) -> None:
    made = run(tmp_path, ["bad day"], SAFETY, rounds=3, world=World(revise=lambda answer, word: revised))
    assert revisions(made.trace) == [("bad", None, note)]
    assert [(reject.reason, reject.failure) for reject in made.trace.rejects] == [
        (note, False),
        (Reason.NO_COMPARISON, False),
    ]
    assert made.trace.unresolved == (made.trace.responses[0].id,)


def test_a_revision_that_breaks_a_higher_tier_is_dropped(tmp_path: Path) -> None:
    world = World(revise=lambda answer, word: "bad day" if word == "rude" else without(answer, word))
    trace = run(tmp_path, ["rude day"], SAFETY, STYLE, world=world).trace
    initial, candidate = trace.responses
    assert (initial.text, candidate.text) == ("rude day", "bad day")
    assert [(revision.revised_id, revision.note) for revision in trace.revisions] == [(None, Reason.WORSENED)]
    assert trace.pairs == ()
    assert [reject.reason for reject in trace.rejects] == [Reason.WORSENED, Reason.NO_COMPARISON]


def test_a_critique_that_cannot_be_read_is_no_violation(tmp_path: Path) -> None:
    trace = run(tmp_path, ["bad day"], SAFETY, world=World(violates=lambda answer, word: None)).trace
    assert [critique.violates for critique in trace.critiques] == [None]
    assert trace.revisions == ()


def test_only_the_principles_that_apply_are_asked_about(tmp_path: Path) -> None:
    safety = tier("safety", "hard", "bad")
    safety["principles"][0]["when"] = {"tags": ["medical"]}
    rows = [
        {"prompt": "bad one", "tags": ["medical"]},
        {"prompt": "bad two"},
        {"prompt": "bad false", "tags": ["quiet"]},
    ]
    made = run(tmp_path, rows, safety, HONESTY, contexts={"quiet": {"honesty": 0.0}})
    assert [{c.principle_id for c in trace.critiques} for trace in made.traces] == [{"bad", "false"}, {"false"}, set()]
