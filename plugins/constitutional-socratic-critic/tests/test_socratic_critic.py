from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import constitutional_socratic_critic as plugin
import pytest

from constitutional import ChatRequest, Critique, Rewrite
from constitutional.testing import PRINCIPLE, Subject, Workshop, prompt, response

CRITIC, REVISER = Subject("critic", "socratic", plugin), Subject("reviser", "socratic", plugin)


@pytest.mark.conformance(CRITIC, REVISER)
def test_they_conform(conformance: Callable[[], None]) -> None:
    conformance()


class Socrates:
    """Asks about what is vague, and answers plainly when it is to write."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, request: ChatRequest, options: tuple[str, ...] | None) -> Any:
        text = request.messages[-1].content
        self.asked.append(text)
        if options is not None:
            vague = "a while" in text.partition("# The assistant's answer")[2].partition("# Principle")[0]
            return {"yes": 0.9, "no": 0.1} if vague else {"yes": 0.2, "no": 0.8}
        return "Eight minutes." if "written again" in text else " How long is a while? "


def test_the_questions_are_the_critique_and_the_verdict_sees_them() -> None:
    socrates = Socrates()
    critic = Workshop(CRITIC, socrates).make()
    found: Critique = asyncio.run(critic.critique(prompt(), response("Boil it for a while."), PRINCIPLE))
    assert (found.violates, found.text, len(found.calls)) == (True, "How long is a while?", 2)
    assert "Ask 3 short questions" in socrates.asked[0]
    assert "How long is a while?" in socrates.asked[1]


def test_an_answer_that_stands_up_to_them_has_no_critique() -> None:
    critic = Workshop(CRITIC, Socrates()).make()
    found: Critique = asyncio.run(critic.critique(prompt(), response("Boil it for eight minutes."), PRINCIPLE))
    assert (found.violates, found.text) == (False, "")


def test_the_reviser_is_shown_the_questions() -> None:
    socrates = Socrates()
    reviser = Workshop(REVISER, socrates).make()
    critique = Critique("r", PRINCIPLE.id, True, "How long is a while?")
    found: Rewrite = asyncio.run(reviser.revise(prompt(), response("A while."), PRINCIPLE, critique, 1))
    assert found.text == "Eight minutes."
    assert "How long is a while?" in socrates.asked[0]
