"""The critic that asks a model: a one-word verdict first, and a critique in words only where it is needed."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from constitutional.core.constitution import Principle
from constitutional.core.digest import seed_for
from constitutional.core.messages import Sampling
from constitutional.core.records import Critique, Prompt, Response
from constitutional.errors import ConfigError
from constitutional.roles import Setup

YES_NO = ("yes", "no")
VARIABLES = frozenset({"messages", "response", "principle"})


class LLMCriticOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    check: str = Field(default="critique/check", description="Template that asks for yes or no.")
    explain: str | None = Field(
        default="critique/explain", description="Template that asks for the critique; null: the verdict is enough."
    )
    threshold: float = Field(default=0.5, gt=0, lt=1, description="P(violates) from which it is a violation.")


class LLMCritic:
    """Both templates begin with the same text, so the critique finds its prefix in the cache. In draw mode, as published,
    there is no verdict: the critique is asked for whatever the answer is."""

    def __init__(self, setup: Setup) -> None:
        options: LLMCriticOptions = setup.options
        self._model = setup.model
        self._seed = setup.seed
        self._threshold = options.threshold
        self._always = setup.constitution.mode == "draw"
        self._check = setup.templates.get(options.check, VARIABLES)
        self._explain = None if options.explain is None else setup.templates.get(options.explain, VARIABLES)
        if self._always and self._explain is None:
            raise ConfigError("critic.explain: in draw mode the critique in words is all that there is")

    async def critique(self, prompt: Prompt, response: Response, principle: Principle) -> Critique:
        values = {"messages": prompt.messages, "response": response.text, "principle": principle}
        if self._always and self._explain is not None:
            reply = await self._model.chat(self._explain.request(self._seeded(prompt, response, principle), **values))
            return Critique(response.id, principle.id, None, reply.text.strip(), calls=(reply.call,))
        verdict = await self._model.choose(self._check.request(Sampling(temperature=0.0), **values), YES_NO)
        if not verdict.readable:
            return Critique(response.id, principle.id, None, method=verdict.method, calls=verdict.calls)
        p_violates = verdict.probabilities[0]
        violates = p_violates >= self._threshold
        if not violates or self._explain is None:
            return Critique(response.id, principle.id, violates, "", p_violates, verdict.method, verdict.calls)
        reply = await self._model.chat(self._explain.request(self._seeded(prompt, response, principle), **values))
        calls = (*verdict.calls, reply.call)
        return Critique(response.id, principle.id, True, reply.text.strip(), p_violates, verdict.method, calls)

    def _seeded(self, prompt: Prompt, response: Response, principle: Principle) -> Sampling:
        return Sampling(seed=seed_for(self._seed, prompt.id, f"critique:{response.id}:{principle.id}"))
