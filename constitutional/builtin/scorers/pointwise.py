"""``pointwise``: the expected grade Σ i·P(i), i = 1…10, rescaled to 0…1."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from constitutional.builtin.judges.orders import faint
from constitutional.builtin.judges.pairwise_logprob import LEAST_MASS
from constitutional.core.constitution import Principle
from constitutional.core.messages import Sampling
from constitutional.core.records import Prompt, Response, Score
from constitutional.roles import Setup

GRADES = tuple(str(grade) for grade in range(1, 11))
VARIABLES = frozenset({"messages", "response", "principle"})


class PointwiseOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    template: str = Field(default="score/pointwise", description="Template that asks for a number from 1 to 10.")
    least_mass: float = Field(
        default=LEAST_MASS, ge=0, le=1, description="Less probability than this on all numbers is no grade."
    )


class PointwiseScorer:
    def __init__(self, setup: Setup) -> None:
        self._options: PointwiseOptions = setup.options or PointwiseOptions()
        self._model = setup.model
        self._template = setup.templates.get(self._options.template, VARIABLES)

    async def score(self, prompt: Prompt, response: Response, principle: Principle) -> Score:
        request = self._template.request(
            Sampling(temperature=0.0), messages=prompt.messages, response=response.text, principle=principle
        )
        choice = await self._model.choose(request, GRADES)
        if note := faint(choice, self._options.least_mass):
            return Score(response.id, principle.id, None, choice.method, choice.calls, note)
        expected = sum(index * p for index, p in enumerate(choice.probabilities))
        return Score(response.id, principle.id, expected / (len(GRADES) - 1), choice.method, choice.calls)
