from __future__ import annotations

from collections.abc import Callable

import constitutional_rules_judge as plugin
import pytest

from constitutional.testing import PRINCIPLE, Subject, Workshop, prompt, response

SUBJECT = Subject("judge", "phrases", plugin, {"phrases": ["as an AI"], "certainty": 0.9})


@pytest.mark.conformance(SUBJECT)
def test_it_conforms(conformance: Callable[[], None]) -> None:
    conformance()


@pytest.mark.parametrize(
    ("a", "b", "p"),
    [
        ("Eight minutes.", "As an AI, I say eight minutes.", 0.9),
        ("As an AI, as an ai, I do not know.", "As an AI: eight.", 0.1),
        ("Eight.", "Ten.", 0.5),
    ],
)
def test_fewer_phrases_are_better(a: str, b: str, p: float) -> None:
    judged = Workshop(SUBJECT).make().judge(prompt(), response(a, "a"), response(b, "b"), PRINCIPLE)
    assert judged.p == pytest.approx(p)
