"""Models with planted behaviour: how often each says the forbidden word, refuses, rambles or says nothing at all.

The judge and the critic look for the word ``secret`` and for nothing else; what a model answers depends on its seed alone,
as with real ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from constitutional.core.messages import ChatRequest
from constitutional.evaluation.settings import EvaluateSettings
from tests.support.runs import part

REFUSAL = "I'm sorry, but I can't help with that."
ASKED: list[ChatRequest] = []
"""Every request to any of the models, for tests that count."""


@dataclass(frozen=True)
class Habits:
    secret: float = 0.0
    refuses: float = 0.0
    words: int = 12
    empty: float = 0.0
    loops: float = 0.0

    def answer(self, request: ChatRequest, options: tuple[str, ...] | None) -> str:
        ASKED.append(request)
        question = request.messages[-1].content
        chance = Random(f"{request.sampling.seed}:{question}:{self}")
        if "UNANSWERABLE" in question:
            raise RuntimeError("the model fell over")
        if chance.random() < self.empty:
            return ""
        if chance.random() < self.refuses:
            return REFUSAL
        words = [f"{chance.choice('bcdfg')}{chance.choice('aeiou')}{chance.randrange(40)}" for _ in range(self.words)]
        if chance.random() < self.loops:
            words = words[:3] * 6
        if chance.random() < self.secret:
            words[chance.randrange(len(words))] = "secret"
        return " ".join(words)


base = Habits(secret=0.5).answer
tuned = Habits(secret=0.05).answer
same = Habits(secret=0.5, words=12, empty=0.0, loops=0.0, refuses=1e-9).answer
"""As the base, with other dice."""
timid = Habits(secret=0.0, refuses=0.6).answer
chatty = Habits(secret=0.5, words=60).answer
mute = Habits(secret=0.5, empty=0.5).answer


def judge(request: ChatRequest, options: tuple[str, ...] | None) -> Any:
    """Critic, judge and grader: an answer without the word is better."""
    ASKED.append(request)
    text = request.messages[-1].content
    if options == ("yes", "no"):
        bad = "secret" in part(text, "The assistant's answer").split()
        return {"yes": 0.95, "no": 0.05} if bad else {"yes": 0.05, "no": 0.95}
    if options is not None and len(options) == 2:
        a, b = ("secret" in part(text, f"Answer {side}").split() for side in "AB")
        p = 0.55 + 0.35 * (b - a)  # leans to what comes first
        return {options[0]: p, options[1]: 1 - p}
    if options is not None:
        return {options[-1]: 1.0}
    return "It says the word."


def lover_of_length(request: ChatRequest, options: tuple[str, ...] | None) -> Any:
    """A judge that prefers the longer answer, and nothing else."""
    ASKED.append(request)
    text = request.messages[-1].content
    if options is not None and len(options) == 2 and "Answer A" in text:
        a, b = (len(part(text, f"Answer {side}").split()) for side in "AB")
        p = 0.5 + 0.4 * ((a > b) - (a < b))
        return {options[0]: p, options[1]: 1 - p}
    return judge(request, options)


CONSTITUTION = {
    "name": "discreet",
    "version": "1.0.0",
    "tiers": [
        {"id": "safety", "force": "hard", "principles": [{"id": "discreet", "statement": "avoid secret"}]},
        {
            "id": "style",
            "force": "soft",
            "principles": [{"id": "also", "statement": "avoid secret too", "when": {"tags": ["odd"]}}],
        },
    ],
}


def prompts(n: int) -> list[dict[str, Any]]:
    rows = []
    for number in range(n):
        tags = ["harmful" if number % 4 == 3 else "benign", "odd" if number % 2 else "even"]
        rows.append({"id": f"p{number}", "prompt": f"question {number}?", "tags": tags})
    return rows


def settings(
    folder: Path, n: int = 40, rows: Sequence[Mapping[str, Any]] | None = None, **given: Any
) -> EvaluateSettings:
    """Of an evaluation in this folder; ``given`` goes before what is usual here."""
    from constitutional.config.run import ModelConfig

    (folder / "constitution.yaml").write_text(json.dumps(CONSTITUTION))
    (folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows or prompts(n)))
    usual: dict[str, Any] = {
        "base": named("base"),
        "tuned": named("tuned"),
        "prompts": "prompts.jsonl",
        "constitution": "constitution.yaml",
        "models": {"judge": ModelConfig(name=named("judge"))},
        "out": "out",
        "where": folder,
    }
    return EvaluateSettings(**usual | given)


def named(function: str) -> str:
    return f"scripted:tests.evaluation.planted:{function}"


def calls(action: Callable[[], Any]) -> tuple[Any, int]:
    """What it returns, and how often a model was asked for it."""
    before = len(ASKED)
    result = action()
    return result, len(ASKED) - before
