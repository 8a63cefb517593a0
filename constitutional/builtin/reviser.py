"""The reviser that asks a model to rewrite an answer."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from constitutional.core.constitution import Principle
from constitutional.core.digest import seed_for
from constitutional.core.messages import Sampling
from constitutional.core.records import Critique, Prompt, Response
from constitutional.roles import Rewrite, Setup

VARIABLES = frozenset({"messages", "response", "principle", "critique"})


class LLMReviserOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    template: str = Field(default="revise/revise", description="Template that asks for the revised answer.")


class RefuserOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    template: str = Field(default="revise/refuse", description="Template that asks for a refusal.")


class LLMReviser:
    def __init__(self, setup: Setup) -> None:
        options: LLMReviserOptions | RefuserOptions = setup.options
        self._model = setup.model
        self._seed = setup.seed
        self._template = setup.templates.get(options.template, VARIABLES)

    async def revise(
        self, prompt: Prompt, response: Response, principle: Principle, critique: Critique, round: int
    ) -> Rewrite:
        seed = seed_for(self._seed, prompt.id, f"revise:{response.id}:{principle.id}:{round}")
        request = self._template.request(
            Sampling(seed=seed),
            messages=prompt.messages,
            response=response.text,
            principle=principle,
            critique=critique.text,
        )
        reply = await self._model.chat(request)
        return Rewrite(reply.text.strip(), reply.call, self._model.id, reply.finish)
