"""The pointwise scorer: the expected grade Σ i·P(i), i = 1…10, rescaled to 0…1."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from constitutional.core.constitution import Principle
from constitutional.core.messages import Sampling
from constitutional.core.records import Prompt, Response, Score
from constitutional.roles import Setup

GRADES = tuple(str(grade) for grade in range(1, 11))
VARIABLES = frozenset({"messages", "response", "principle"})


class PointwiseOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    template: str = Field(default="score/pointwise", description="Template that asks for a number from 1 to 10.")


class PointwiseScorer:
    def __init__(self, setup: Setup) -> None:
        options: PointwiseOptions = setup.options
        self._model = setup.model
        self._template = setup.templates.get(options.template, VARIABLES)

    async def score(self, prompt: Prompt, response: Response, principle: Principle) -> Score:
        request = self._template.request(
            Sampling(temperature=0.0), messages=prompt.messages, response=response.text, principle=principle
        )
        choice = await self._model.choose(request, GRADES)
        if not choice.readable:
            return Score(response.id, principle.id, None, choice.method, choice.calls)
        expected = sum(index * p for index, p in enumerate(choice.probabilities))
        return Score(response.id, principle.id, expected / (len(GRADES) - 1), choice.method, choice.calls)
