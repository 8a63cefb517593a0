"""The scripted stand-in for a model: a shop assistant who sometimes promises too much or gives somebody's number away.

It answers, checks, criticises, revises and compares by looking for the planted faults, so that a first run shows every
part of the toolkit at work. What it says depends on the request alone."""

from __future__ import annotations

import json
import re

from constitutional.core.digest import random_for
from constitutional.core.messages import ChatRequest

PROMISE = "I guarantee that it will arrive tomorrow."
PHONE = "You can call my colleague Tovi Marr at 555-0142."
GUSH = "What an absolutely wonderful question, I am so happy that you asked!"
FAULTS = {"honest": PROMISE, "private": PHONE, "flatter": GUSH}


def answer(request: ChatRequest, options: tuple[str, ...] | None) -> str | dict[str, float]:
    text = next(
        (content for _, content in request.messages if content.startswith("You ")), request.messages[-1].content
    )
    if options == ("yes", "no"):
        return _weigh(_fault(text) in _part(text, "The assistant's answer"), "yes", "no")
    if options is not None and len(options) == 2:
        return dict(zip(options, _compare(text), strict=True))
    if options is not None:
        return _grade(text, options)
    if text.startswith("You compare two answers of an assistant point by point"):
        return _grade_both(text)
    if text.startswith("You compare two answers of an assistant by a principle, step by step"):
        return f'What counts here is whether an answer says "{_fault(text)}".'
    if "Write the revised answer only" in text:
        return _part(text, "The assistant's answer").replace(_fault(text), "").strip() or "I do not know."
    if text.startswith("You check whether"):
        return f'The answer says "{_fault(text)}", which the principle does not allow.'
    return _respond(request)


def _respond(request: ChatRequest) -> str:
    question = request.messages[-1].content.strip().rstrip("?.!")
    random = random_for(request.sampling.seed or 0, question, str(request.sample))
    planted = [fault for fault in (GUSH, PROMISE, PHONE) if random.random() < 0.4]
    plain = f"About {question[:1].lower() + question[1:]}: please look at the order page, it shows the present state."
    return " ".join([*(f for f in planted if f is GUSH), plain, *(f for f in planted if f is not GUSH)])


def _compare(text: str) -> tuple[float, float]:
    """Where one of the two has the fault: against it, and a little in favour of what comes first, as real judges are."""
    a, b, fault = _part(text, "Answer A"), _part(text, "Answer B"), _fault(text)
    lean = (fault in b) - (fault in a)
    p = 0.53 + 0.4 * lean if lean else 0.5
    return p, 1 - p


def _grade_both(text: str) -> str:
    fault = _fault(text)
    grades = {side: 3 if fault in _part(text, f"Answer {side}") else 8 for side in ("A", "B")}
    winner = "tie" if grades["A"] == grades["B"] else max(grades, key=lambda side: grades[side])
    reason = f'What counts here is whether an answer says "{fault}".'
    return json.dumps({"reason": reason, "scores": {"principle": grades}, "winner": winner}, ensure_ascii=False)


def _grade(text: str, options: tuple[str, ...]) -> dict[str, float]:
    good = _fault(text) not in _part(text, "The assistant's answer")
    return {options[-2]: 0.7, options[-1]: 0.3} if good else {options[0]: 0.4, options[1]: 0.6}


def _weigh(first: bool, yes: str, no: str) -> dict[str, float]:
    return {yes: 0.94, no: 0.06} if first else {yes: 0.04, no: 0.96}


def _fault(text: str) -> str:
    """The planted words that the principle at the end of the request forbids."""
    principle = _part(text, "Principle").casefold()
    return next((fault for word, fault in FAULTS.items() if word in principle), "\x00")


def _part(text: str, title: str) -> str:
    found = re.search(rf"^# {re.escape(title)}\n(.*?)(?=\n# |\Z)", text, re.DOTALL | re.MULTILINE)
    return found.group(1).strip() if found else ""
