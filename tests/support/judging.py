"""Judges and scorers as a run makes them: options checked, model recorded; only the mind behind the model is made up.

A mind says P(the answer shown first is better), None where it will not say. It is asked in whatever way the judge asks:
for a letter, for reasons and then a letter, or for grades as JSON."""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from constitutional.config.run import RunConfig
from constitutional.core.constitution import Principle
from constitutional.core.messages import ChatRequest
from constitutional.core.records import Judgement, Message, Prompt, Response, Score
from constitutional.ledger import Ledger
from constitutional.models.meter import Meter
from constitutional.pipeline.bind import recorded
from constitutional.pipeline.setup import Assembly, assemble
from constitutional.plugins import PluginHost
from constitutional.roles import settled
from tests.support.runs import part

QUESTION = (Message("user", "How do I boil an egg?"),)
PROMPT = Prompt(Prompt.id_of(QUESTION), QUESTION)
HONEST = Principle("honest", "Be honest.")
Says = Callable[[str, str], float | None]


@dataclass
class Mind:
    """``grade`` is the number from 1 to 10 that one answer gets."""

    says: Says = lambda first, second: 0.5
    grade: Callable[[str], int | None] = lambda answer: 5
    chat: Callable[[ChatRequest], str | None] = lambda request: None
    """Goes before everything else where it says anything."""
    asked: list[ChatRequest] = field(default_factory=list)

    def answer(self, request: ChatRequest, options: tuple[str, ...] | None) -> Any:
        self.asked.append(request)
        text = "\n".join(message.content for message in request.messages if message.role == "user")
        if options is None and (said := self.chat(request)) is not None:
            return said
        if text.startswith("You grade"):
            return self._graded(text, options, request.sample)
        first, second = shown(text)
        p = self.says(first, second)
        if text.startswith("You compare two answers of an assistant point by point"):
            return as_grades(p)
        if options is None and "Do not choose yet" in text and len(request.messages) == 1:
            return "The first says one thing and the second another."
        letters = options or ("A", "B")
        if options is None:
            return "I would rather not say." if p is None else _drawn(p, letters, request.sample)
        return {} if p is None else {letters[0]: p, letters[1]: 1 - p}

    def _graded(self, text: str, options: tuple[str, ...] | None, sample: int) -> Any:
        grade = self.grade(part(text, "The assistant's answer"))
        if options is None:
            return "Hm." if grade is None else f"{grade}/10"
        return {} if grade is None else {str(grade): 1.0}


def _drawn(p: float, letters: tuple[str, ...], sample: int) -> str:
    """Of five samples, as many say the first letter as its probability wants."""
    return letters[0] if (sample + 0.5) / 5 < p else f"**{letters[1]}**."


def shown(text: str) -> tuple[str, str]:
    """The two answers, in the order in which a shipped template shows them."""
    if found := re.search(r"^\(A\) (.*?)\n\n\(B\) (.*?)\n\n", text, re.DOTALL | re.MULTILINE):
        return found[1], found[2]
    return part(text, "Answer A"), part(text, "Answer B")


def as_grades(p: float | None) -> str:
    """Grades around 5 that differ the more the surer the mind is."""
    if p is None:
        return "Both answers have their merits, and I would rather not grade them."
    difference = round(4 * (p - 0.5))
    scores = {name: {"A": 5 + difference, "B": 5 - difference} for name in ("principle", "accuracy", "helpfulness")}
    winner = "tie" if not difference else "A" if difference > 0 else "B"
    return (
        f"Here is my verdict:\n```json\n{json.dumps({'reason': 'So it is.', 'scores': scores, 'winner': winner})}\n```"
    )


def by_position(first: str, second: str) -> float:
    return 0.9


def by_length(first: str, second: str) -> float:
    return 1 / (1 + math.exp((len(second) - len(first)) / 10))


def by_quality(first: str, second: str) -> float:
    """Knows what is right: the answer with fewer lies."""
    return 0.5 + 0.4 * ((second.count("lie") > first.count("lie")) - (second.count("lie") < first.count("lie")))


def upside_down(first: str, second: str) -> float:
    return 1 - by_quality(first, second)


def silent(first: str, second: str) -> None:
    return None


def answer(request: ChatRequest, options: tuple[str, ...] | None) -> Any:
    """``scripted:tests.support.judging:answer``: what the present mind says."""
    return _minds[-1].answer(request, options)


def other(request: ChatRequest, options: tuple[str, ...] | None) -> Any:
    """``scripted:tests.support.judging:other``: what the second of two present minds says."""
    return _minds[-2].answer(request, options)


_minds: list[Mind] = []


def response(text: str, name: str = "r") -> Response:
    return Response(f"{name}-{text[:8]}", PROMPT.id, text, "m", 0, "")


@contextmanager
def thinking(*minds: Mind | Says) -> Iterator[list[Mind]]:
    """The last is ``answer``, the one before it ``other``."""
    made = [mind if isinstance(mind, Mind) else Mind(mind) for mind in minds]
    _minds.extend(made)
    try:
        yield made
    finally:
        del _minds[-len(made) :]


@dataclass(frozen=True)
class Bench:
    """One ledger, so that a second judging finds what the first paid for."""

    folder: Path
    logprobs: bool = True

    def config(self, **parts: Any) -> RunConfig:
        def entry(function: str) -> dict[str, Any]:
            return {"name": f"scripted:tests.support.judging:{function}", "options": {"logprobs": self.logprobs}}

        return RunConfig.model_validate({"models": {"policy": entry("answer"), "other": entry("other")}} | parts)

    def use(self, config: RunConfig, work: Callable[[Assembly], Any]) -> tuple[Any, Meter]:
        """What ``work`` makes of the assembly of a run with this configuration, and what it cost."""
        meter = Meter()

        async def run() -> Any:
            ledger = Ledger(self.folder / "run.db")
            try:
                assembly = assemble(config, PluginHost(), self.folder, recorded(ledger, meter, config))
                try:
                    return await work(assembly)
                finally:
                    await ledger.landed()
                    await assembly.models.aclose()
            finally:
                ledger.close()

        return asyncio.run(run()), meter

    def judge(
        self,
        plugin: str,
        a: str,
        b: str,
        options: Mapping[str, Any] | None = None,
        *,
        prompt: Prompt = PROMPT,
        principle: Principle = HONEST,
    ) -> Judgement:
        return self.judge_all(plugin, [(a, b)], options, prompt=prompt, principle=principle)[0]

    def judge_all(
        self,
        plugin: str,
        pairs: Sequence[tuple[str, str]],
        options: Mapping[str, Any] | None = None,
        *,
        prompt: Prompt = PROMPT,
        principle: Principle = HONEST,
    ) -> list[Judgement]:
        config = self.config(judge={"plugin": plugin, "options": dict(options or {})})

        async def work(assembly: Assembly) -> list[Judgement]:
            judge = assembly.cast.judge

            async def ask(a: str, b: str) -> Judgement:
                return await settled(judge.judge(prompt, response(a, "a"), response(b, "b"), principle))

            return list(await asyncio.gather(*(ask(a, b) for a, b in pairs)))

        judgements: list[Judgement] = self.use(config, work)[0]
        return judgements

    def score(self, plugin: str, text: str, options: Mapping[str, Any] | None = None) -> Score:
        config = self.config(scorer={"plugin": plugin, "options": dict(options or {})})

        async def work(assembly: Assembly) -> Score:
            return await settled(assembly.cast.scorer.score(PROMPT, response(text), HONEST))

        score: Score = self.use(config, work)[0]
        return score
