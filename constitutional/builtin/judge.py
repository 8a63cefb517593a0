"""The pairwise judge: the probability of A and of B, read in both orders."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel, ConfigDict, Field

from constitutional.core.constitution import Principle
from constitutional.core.messages import Choice, Sampling
from constitutional.core.records import Judgement, Prompt, Response
from constitutional.roles import Setup

A_B = ("A", "B")
VARIABLES = frozenset({"messages", "a", "b", "principle"})


class PairwiseOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    template: str = Field(default="judge/pairwise", description="Template that asks for A or B.")


class PairwiseJudge:
    def __init__(self, setup: Setup) -> None:
        options: PairwiseOptions = setup.options
        self._model = setup.model
        self._template = setup.templates.get(options.template, VARIABLES)

    async def judge(self, prompt: Prompt, a: Response, b: Response, principle: Principle) -> Judgement:
        forward, backward = await asyncio.gather(self._ask(prompt, a, b, principle), self._ask(prompt, b, a, principle))
        p_ab = forward.probabilities[0] if forward.readable else None
        p_ba = backward.probabilities[1] if backward.readable else None
        return Judgement.of(a, b, principle.id, p_ab, p_ba, forward.method, (*forward.calls, *backward.calls))

    async def _ask(self, prompt: Prompt, first: Response, second: Response, principle: Principle) -> Choice:
        request = self._template.request(
            Sampling(temperature=0.0),
            messages=prompt.messages,
            a=first.text,
            b=second.text,
            principle=principle,
        )
        return await self._model.choose(request, A_B)
