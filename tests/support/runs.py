"""A small run through the real pipeline, plugin host and ledger; only the model is made up.

A principle here is one word to avoid, and the policy answers with the prompt itself: what happens to a prompt can be
read off its words. Every opinion of the made-up model can be replaced."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

from constitutional.config.run import RunConfig
from constitutional.core.codec import from_json
from constitutional.core.messages import ChatRequest
from constitutional.core.records import Reject, Trace
from constitutional.hookspecs import hookimpl
from constitutional.ledger import LedgerView, RunFolder
from constitutional.pipeline.run import run_prompts
from constitutional.plugins import PluginHost
from constitutional.roles import RunResult

YES_NO, A_B, GRADES = ("yes", "no"), ("A", "B"), tuple(str(n) for n in range(1, 11))


def avoids(answer: str, word: str) -> bool:
    return word not in answer.split()


def without(answer: str, word: str) -> str:
    """The answer with the first of these words left out."""
    kept = answer.split()
    if word in kept:
        kept.remove(word)
    return " ".join(kept)


def better(a: str, b: str, word: str) -> float | None:
    return 0.5 + 0.4 * (avoids(a, word) - avoids(b, word))


@dataclass
class World:
    """``prefer`` is P(A) as the judge says it; None stands for a verdict that cannot be read."""

    respond: Callable[[str, int], str] = lambda question, sample: question
    violates: Callable[[str, str], float | None] = lambda answer, word: 0.05 if avoids(answer, word) else 0.95
    revise: Callable[[str, str], str] = without
    prefer: Callable[[str, str, str], float | None] = better
    grade: Callable[[str, str], int | None] = lambda answer, word: 9 if avoids(answer, word) else 2
    asked: list[ChatRequest] = field(default_factory=list)

    def answer(self, request: ChatRequest, options: tuple[str, ...] | None) -> Any:
        self.asked.append(request)
        text = request.messages[-1].content
        weights = self._weights(text)
        if options is not None:
            return weights
        if weights is not None and "Reply with one" in text:
            return _sampled(weights, request.sample)
        if "Write the revised answer only" in text:
            return self.revise(part(text, "The assistant's answer"), _word(text))
        if text.startswith("You check whether"):
            return f"It says {_word(text)}."
        return self.respond(text, request.sample)

    def _weights(self, text: str) -> Mapping[str, float] | None:
        if text.startswith("You check whether"):
            return _two(self.violates(part(text, "The assistant's answer"), _word(text)), YES_NO)
        if text.startswith("You compare"):
            return _two(self.prefer(part(text, "Answer A"), part(text, "Answer B"), _word(text)), A_B)
        if text.startswith("You grade"):
            grade = self.grade(part(text, "The assistant's answer"), _word(text))
            return {} if grade is None else {str(grade): 1.0}
        return None

    @property
    def policy_asked(self) -> list[ChatRequest]:
        return [request for request in self.asked if not request.messages[-1].content.startswith("You ")]

    @property
    def templates_asked(self) -> list[str]:
        return [text for request in self.asked if (text := request.messages[-1].content).startswith("You ")]


def _two(p: float | None, options: tuple[str, str]) -> Mapping[str, float]:
    return {} if p is None else {options[0]: p, options[1]: 1 - p}


def _sampled(weights: Mapping[str, float], sample: int) -> str:
    """Of five samples, as many say an option as its probability wants."""
    place, reached = (sample + 0.5) / 5, 0.0
    for option, weight in weights.items():
        reached += weight
        if place < reached:
            return f"({option})."
    return "I would rather not say."


def part(text: str, title: str) -> str:
    """What stands under a heading of a shipped template."""
    found = re.search(rf"^# {re.escape(title)}\n(.*?)(?=\n# |\Z)", text, re.DOTALL | re.MULTILINE)
    return found.group(1).strip() if found else ""


def _word(text: str) -> str:
    found = re.search(r"avoid (\S+)", part(text, "Principle"))
    assert found, text
    return found.group(1)


def answer(request: ChatRequest, options: tuple[str, ...] | None) -> Any:
    """``scripted:tests.support.runs:answer``: what the world of the present run says."""
    return _worlds[-1].answer(request, options)


_worlds: list[World] = []


def tier(name: str, force: str, *words: str, tolerance: float = 0.0) -> dict[str, Any]:
    principles = [{"id": word, "statement": f"avoid {word}"} for word in words]
    return {"id": name, "force": force, "tolerance": tolerance, "principles": principles}


SAFETY, HONESTY, STYLE = (
    tier("safety", "hard", "bad"),
    tier("honesty", "strong", "false"),
    tier("style", "soft", "rude"),
)
"""Three tiers, each with one word that violates it."""


def label(trace: Trace) -> tuple[str, str]:
    (pair,) = trace.pairs
    return pair.chosen.text, pair.rejected.text


@dataclass(frozen=True)
class Run:
    result: RunResult
    traces: tuple[Trace, ...]
    bad_rows: tuple[tuple[str, str, str], ...]
    """source, reason, detail"""
    world: World

    @property
    def trace(self) -> Trace:
        (only,) = self.traces
        return only

    @property
    def reject(self) -> Reject:
        (only,) = self.trace.rejects
        return only


def run(
    folder: Path,
    prompts: Sequence[Any],
    *tiers: dict[str, Any],
    world: World | None = None,
    plugin: Sequence[Callable[..., Any]] = (),
    logprobs: bool = True,
    contexts: Mapping[str, Mapping[str, float]] | None = None,
    mode: str = "tiered",
    on_unresolved: str = "reject",
    before: Callable[[RunConfig, PluginHost, Path], None] | None = None,
    after: Callable[[RunConfig, PluginHost, Path], None] | None = None,
    **settings: Any,
) -> Run:
    """``prompts`` are texts or rows; ``plugin`` are the functions of one installed plugin, named for their hooks.
    ``before`` and ``after`` are called around the run, with its world and plugins in place."""
    world = world or World()
    constitution = {"name": "words", "tiers": list(tiers), "contexts": dict(contexts or {})}
    constitution |= {"mode": mode, "on_unresolved": on_unresolved}
    (folder / "words.yaml").write_text(json.dumps(constitution))
    rows = [{"prompt": row} if isinstance(row, str) else row for row in prompts]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    model = {"name": "scripted:tests.support.runs:answer", "options": {"logprobs": logprobs}}
    config = RunConfig.model_validate(
        {"prompts": "prompts.jsonl", "constitution": "words.yaml", "models": {"policy": model}} | settings
    )
    run_folder = RunFolder(folder / "run")
    run_folder.create()
    _worlds.append(world)
    try:
        with patch("constitutional.plugins.entry_points", lambda group: [_entry(plugin)] if plugin else []):
            host = PluginHost().load()
        if before is not None:
            before(config, host, folder)
        result = asyncio.run(run_prompts(config, run_folder, host, folder))
        if after is not None:
            after(config, host, folder)
    finally:
        _worlds.pop()
    with LedgerView(run_folder.ledger) as view:
        bodies = view.rows("SELECT body FROM traces ORDER BY position")
        traces = tuple(from_json(Trace, body) for (body,) in bodies)
        bad = tuple(view.rows("SELECT source, reason, detail FROM rows WHERE session=(SELECT max(session) FROM rows)"))
    return Run(result, traces, bad, world)


def _entry(functions: Sequence[Callable[..., Any]]) -> Any:
    module = ModuleType("a_plugin")
    for function in functions:
        setattr(module, function.__name__, hookimpl(function))
    return SimpleNamespace(name="a", load=lambda: module, dist=SimpleNamespace(name="a-plugin", version="1.0"))
