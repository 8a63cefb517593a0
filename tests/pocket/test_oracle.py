"""The oracle agrees with the plan of every planted answer, and with the toolkit's own ruling."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.core.records import Judgement, Message, Response
from constitutional.core.ruling import rule
from constitutional.errors import UsageError
from constitutional.pocket import jobs, oracle
from constitutional.pocket.answers import VARIED, Answer, draw, good, padded, refusal, rude, tempting
from constitutional.pocket.words import INSULTS, PADS_AFTER, PADS_BEFORE
from constitutional.pocket.world import KINDS, Question, read, universe

questions = st.sampled_from(universe())


@st.composite
def planted(draws: st.DrawFn) -> tuple[Question, Answer]:
    """Any question with any answer that can be planted."""
    question = draws(questions)
    answer = draws(st.sampled_from((Answer(good(question)), *tempting(question))))
    if draws(st.booleans()):
        answer = rude(answer, draws(st.sampled_from(INSULTS)))
    return question, padded(
        answer, draws(st.sampled_from(("", *PADS_BEFORE))), draws(st.sampled_from(("", *PADS_AFTER)))
    )


@given(planted())
def test_what_is_planted_is_found_and_nothing_else(pair: tuple[Question, Answer]) -> None:
    question, answer = pair
    assert set(oracle.violations(question, answer.text)) == answer.breaks


@given(questions)
def test_the_good_answer_is_clean_right_and_refuses_only_what_must_be(question: Question) -> None:
    text = good(question)
    assert oracle.violations(question, text) == ()
    assert oracle.correct(question, text)
    assert oracle.refuses(text) == (question.kind in ("contact", "hazard"))


@given(planted())
def test_padding_and_insults_leave_an_answer_right(pair: tuple[Question, Answer]) -> None:
    question, answer = pair
    assert oracle.correct(question, answer.text) == (not answer.breaks & {"safety", "privacy", "honesty"})


@given(planted())
def test_a_critique_says_what_is_wrong_exactly_where_something_is(pair: tuple[Question, Answer]) -> None:
    question, answer = pair
    for principle in oracle.PRINCIPLES:
        fine = oracle.explain(question, answer.text, principle) == "Nothing is wrong."
        assert fine == (principle not in answer.breaks)


@given(questions, st.integers(0, 10**6))
def test_preferences_turn_with_the_order(question: Question, seed: int) -> None:
    random = Random(seed)
    a, b = (draw(random, question, VARIED).text for _ in range(2))
    for principle in (None, *oracle.PRINCIPLES):
        assert oracle.prefers(question, a, b, principle) == -oracle.prefers(question, b, a, principle)
        assert oracle.prefers(question, a, a, principle) == 0


@given(questions, st.integers(0, 10**6))
def test_the_tiers_decide_as_the_toolkit_rules_with_perfect_verdicts(question: Question, seed: int) -> None:
    random = Random(seed)
    texts = [draw(random, question, VARIED).text for _ in range(2)]
    a, b = (Response(name, "p", text, "m", 0, "") for name, text in zip("ab", texts, strict=True))
    judgements = []
    for principle in oracle.PRINCIPLES:
        p = (1 + oracle.prefers(question, a.text, b.text, principle)) / 2
        judgements.append(Judgement.of(a, b, principle, p, p, "truth"))
    hard = oracle.TIERS[0]
    violators = {item.id: "harm" for item in (a, b) if any(oracle.violates(question, item.text, name) for name in hard)}
    ruling = rule(jobs.constitution(), question.prompt.tags, a, b, judgements, violators)
    expected = {1: True, -1: False, 0: None}[oracle.prefers(question, a.text, b.text)]
    assert (None if ruling.p in (None, 0.5) else ruling.p > 0.5) == expected


def test_its_tiers_are_those_of_the_constitution() -> None:
    assert tuple(tuple(rule.id for rule in tier.principles) for tier in jobs.constitution().tiers) == oracle.TIERS
    assert [tier.force for tier in jobs.constitution().tiers] == ["hard", "strong", "soft", "soft"]


def test_the_examples_of_the_constitution_are_true() -> None:
    for _, principle in jobs.constitution():
        for example in principle.examples:
            question = read((Message("user", example.prompt),))
            if example.verdict is None:
                assert oracle.prefers(question, example.better or "", example.worse or "", principle.id) == 1, example
            else:
                violated = oracle.violates(question, example.response or "", principle.id)
                assert violated == (example.verdict == "violates"), example


def test_lesser_evils_are_told_by_the_order_of_the_tiers() -> None:
    """The planted conflicts: what is better under a lower tier is worse under a higher one."""
    hazard = Question("hazard", ("vexite", "at home"), 0)
    told, denied = (answer.text for answer in tempting(hazard))
    assert oracle.prefers(hazard, told, denied, "honesty") == 1
    assert oracle.prefers(hazard, told, denied) == -1
    claim = Question("wrong", ("two", "three", "seven"), 0)
    flattering, curt = tempting(claim)[0].text, rude(Answer(good(claim)), "you goose").text
    assert oracle.prefers(claim, flattering, curt, "kindness") == 1
    assert oracle.prefers(claim, flattering, curt) == -1
    curt_and_short, kind_and_long = curt, padded(Answer(good(claim)), PADS_BEFORE[0], "").text
    assert oracle.prefers(claim, curt_and_short, kind_and_long, "brevity") == 1
    assert oracle.prefers(claim, curt_and_short, kind_and_long) == -1


def test_every_principle_is_tempted_by_some_kind() -> None:
    tempted = {name for question in universe() for answer in tempting(question) for name in answer.breaks}
    assert tempted == {"safety", "privacy", "honesty"}
    for kind in ("hazard", "contact"):
        assert len({frozenset(a.breaks) for q in universe() if q.kind == kind for a in tempting(q)}) == 2
    assert {kind.name for kind in KINDS.values() if kind.risky} == {"future", "wrong", "contact", "hazard"}


@pytest.mark.parametrize("text", ["", "Grithen", "the the the", "5551234", "Yes!"])
def test_a_text_that_is_no_answer_is_not_clean_where_it_must_decline(text: str) -> None:
    assert oracle.violates(Question("hazard", ("vexite", "at home"), 0), text, "safety")
    assert oracle.violates(Question("contact", ("Mira", "Vossan"), 0), text, "privacy")
    assert oracle.violates(Question("future", ("rain", "Lirra", "tonight"), 0), text, "honesty")


@given(questions, st.text())
def test_it_judges_any_text(question: Question, text: str) -> None:
    found = oracle.finding(question.messages, text)
    assert set(found.violations) <= set(oracle.PRINCIPLES)
    assert found.hard == bool(set(found.violations) & {"safety", "privacy"})
    assert all(1 <= oracle.grade(question, text, name) <= 10 for name in oracle.PRINCIPLES)


def test_a_needless_refusal_is_untrue() -> None:
    recipe = Question("recipe", ("plum", "jam", "at home"), 0)
    found = oracle.finding(recipe.messages, refusal(recipe))
    assert (found.violations, found.refused, found.correct) == (("honesty",), True, False)


def test_a_foreign_dialogue_is_refused() -> None:
    with pytest.raises(UsageError, match="not a question of the pocket world"):
        oracle.finding((Message("user", "Hi"),), "Hello")
