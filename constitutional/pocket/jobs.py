"""The requests that a pocket model is trained on: those that the toolkit's own roles make from ``prompts/pocket/``.

Training text and run-time text are the same by construction: both come out of the same templates, filled in with the same
values. ``tests/pocket/test_jobs.py`` compares them with what the built-in critic, reviser, judge and scorer ask."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from constitutional.config.constitution import load_constitution
from constitutional.core.constitution import Constitution, Principle
from constitutional.core.messages import Sampling
from constitutional.core.records import Messages
from constitutional.pocket.world import Question
from constitutional.resources import data_folder
from constitutional.templates import Template, Templates

CHECK, EXPLAIN, REVISE, JUDGE, SCORE = (f"pocket/{name}" for name in ("check", "explain", "revise", "judge", "score"))
ONE_ANSWER = frozenset({"messages", "response", "principle"})
VARIABLES = {
    CHECK: ONE_ANSWER,
    EXPLAIN: ONE_ANSWER,
    REVISE: ONE_ANSWER | {"critique"},
    JUDGE: frozenset({"messages", "a", "b", "principle"}),
    SCORE: ONE_ANSWER,
}


@cache
def constitution() -> Constitution:
    return load_constitution(data_folder("constitutions") / "pocket.yaml")


@cache
def principle(name: str) -> Principle:
    return next(found for _, found in constitution() if found.id == name)


def check(question: Question, text: str, rule: str) -> Messages:
    return _ask(CHECK, question, rule, response=text)


def explain(question: Question, text: str, rule: str) -> Messages:
    return _ask(EXPLAIN, question, rule, response=text)


def revise(question: Question, text: str, rule: str, critique: str) -> Messages:
    return _ask(REVISE, question, rule, response=text, critique=critique)


def judge(question: Question, a: str, b: str, rule: str) -> Messages:
    return _ask(JUDGE, question, rule, a=a, b=b)


def score(question: Question, text: str, rule: str) -> Messages:
    return _ask(SCORE, question, rule, response=text)


def _ask(template: str, question: Question, rule: str, **values: str) -> Messages:
    values_and_rule: dict[str, object] = {**values, "principle": principle(rule)}
    return _template(template).request(Sampling(), messages=question.messages, **values_and_rule).messages


@cache
def _template(name: str) -> Template:
    return Templates(data_folder("prompts")).get(name, VARIABLES[name])


class Example(NamedTuple):
    """One thing to learn: what is asked, and what is to be said. ``other`` is said as well where both are equally right:
    a judge that must choose between equals learns to be undecided."""

    job: str
    messages: Messages
    target: str
    other: str | None = None
