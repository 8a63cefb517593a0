"""``pairwise-logprob``: the probability of A and of B as the next word, read in both orders."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from constitutional.builtin.judges.orders import Reading, both_orders, reading_of
from constitutional.core.constitution import Principle
from constitutional.core.messages import Sampling
from constitutional.core.records import Judgement, Prompt, Response
from constitutional.roles import Setup

VARIABLES = frozenset({"messages", "a", "b", "principle"})
LEAST_MASS = 0.01


def _distinct(letters: tuple[str, str]) -> tuple[str, str]:
    if len({letter.strip() for letter in letters} - {""}) < 2:
        raise ValueError("two different letters, as the template calls the first answer and the second")
    return letters


Letters = Annotated[tuple[str, str], AfterValidator(_distinct)]


class PairwiseLogprobOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    template: str = Field(default="judge/pairwise", description="Template that asks for one of the letters.")
    letters: Letters = Field(default=("A", "B"), description="What the template calls the first answer and the second.")
    least_mass: float = Field(
        default=LEAST_MASS, ge=0, le=1, description="Less probability than this on both letters is no verdict."
    )


class PairwiseLogprobJudge:
    """Two questions a principle. With ``template: judge/paper`` and ``letters: ["(A)", "(B)"]`` it asks as published
    (Constitutional AI, arXiv 2212.08073): the label is the softmax of the log-probabilities of `` (A)`` and `` (B)``.
    Where options begin with the same token, as these do, ``choose`` asks what follows it."""

    def __init__(self, setup: Setup) -> None:
        self._options: PairwiseLogprobOptions = setup.options or PairwiseLogprobOptions()
        self._model = setup.model
        self._template = setup.templates.get(self._options.template, VARIABLES)

    async def judge(self, prompt: Prompt, a: Response, b: Response, principle: Principle) -> Judgement:
        async def read(first: Response, second: Response) -> Reading:
            request = self._template.request(
                Sampling(temperature=0.0), messages=prompt.messages, a=first.text, b=second.text, principle=principle
            )
            choice = await self._model.choose(request, self._options.letters)
            return reading_of(choice, self._options.least_mass)

        return await both_orders(read, a, b, principle.id)
