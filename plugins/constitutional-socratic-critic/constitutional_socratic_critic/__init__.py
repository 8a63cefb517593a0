"""A critic that asks three questions before it gives its verdict, and a reviser that answers them in what it writes.

What it shows: two kinds in one package, templates that travel with it, and options that both share."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from constitutional import (
    Critique,
    Principle,
    Prompt,
    Register,
    Response,
    Rewrite,
    Sampling,
    Setup,
    hookimpl,
    seed_for,
)

plugin_api = (1, 0)
HERE = Path(__file__).parent
SEEN = frozenset({"messages", "response", "principle"})
YES_NO = ("yes", "no")


class CriticOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    questions: int = Field(default=3, ge=1, le=9, description="How many questions it asks.")
    threshold: float = Field(default=0.5, gt=0, lt=1, description="P(violates) from which it is a violation.")


class SocraticCritic:
    """The questions come first, and the verdict is asked for with them in view: they are the critique."""

    def __init__(self, setup: Setup) -> None:
        options: CriticOptions = setup.options
        self._options = options
        self._model = setup.model
        self._seed = setup.seed
        self._ask = setup.templates.get(str(HERE / "ask.jinja"), SEEN | {"count"})
        self._verdict = setup.templates.get(str(HERE / "verdict.jinja"), SEEN | {"questions"})

    async def critique(self, prompt: Prompt, response: Response, principle: Principle) -> Critique:
        seen = {"messages": prompt.messages, "response": response.text, "principle": principle}
        seed = seed_for(self._seed, prompt.id, f"socratic:{response.id}:{principle.id}")
        asked = await self._model.chat(self._ask.request(Sampling(seed=seed), count=self._options.questions, **seen))
        questions = asked.text.strip()
        choice = await self._model.choose(
            self._verdict.request(Sampling(temperature=0.0), questions=questions, **seen), YES_NO
        )
        calls = (asked.call, *choice.calls)
        if not choice.readable:
            return Critique(response.id, principle.id, None, questions, method=choice.method, calls=calls)
        p = choice.probabilities[0]
        violates = p >= self._options.threshold
        return Critique(response.id, principle.id, violates, questions if violates else "", p, choice.method, calls)


class ReviserOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SocraticReviser:
    """Writes the answer again so that nobody has to ask those questions."""

    def __init__(self, setup: Setup) -> None:
        self._model = setup.model
        self._seed = setup.seed
        self._template = setup.templates.get(str(HERE / "revise.jinja"), SEEN | {"critique"})

    async def revise(
        self, prompt: Prompt, response: Response, principle: Principle, critique: Critique, round: int
    ) -> Rewrite:
        seed = seed_for(self._seed, prompt.id, f"socratic:{response.id}:{principle.id}:{round}")
        request = self._template.request(
            Sampling(seed=seed),
            messages=prompt.messages,
            response=response.text,
            principle=principle,
            critique=critique.text,
        )
        reply = await self._model.chat(request)
        return Rewrite(reply.text.strip(), reply.call, self._model.id, reply.finish)


@hookimpl
def register_critics(register: Register) -> None:
    register("socratic", SocraticCritic, config=CriticOptions)


@hookimpl
def register_revisers(register: Register) -> None:
    register("socratic", SocraticReviser, config=ReviserOptions)
