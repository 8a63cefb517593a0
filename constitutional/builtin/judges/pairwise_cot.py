"""``pairwise-cot``: reasons first, then the probability of A and of B after "So the answer is:", in both orders."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from constitutional.builtin.judges.orders import Reading, both_orders, reading_of
from constitutional.builtin.judges.pairwise_logprob import LEAST_MASS, VARIABLES, Letters
from constitutional.core.constitution import Principle
from constitutional.core.digest import seed_for
from constitutional.core.messages import ChatRequest, Sampling
from constitutional.core.records import Judgement, Message, Prompt, Reason, Response
from constitutional.errors import RequestRefusedError
from constitutional.models.groups import together
from constitutional.roles import Setup

ROUNDING = 1e-9
VERDICT = "So the answer is: reply with one letter: A or B."
METHOD = "cot"
NO_REASONS = "(no reasons given)"


def _symmetric(clamp: tuple[float, float] | None) -> tuple[float, float] | None:
    if clamp is not None and not (0 <= clamp[0] < 0.5 and abs(sum(clamp) - 1) < ROUNDING):
        raise ValueError("two numbers as far below one half as above it, for example [0.4, 0.6]; or null for no clamp")
    return clamp


Clamp = Annotated[tuple[float, float] | None, AfterValidator(_symmetric)]


class PairwiseCotOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    template: str = Field(default="judge/reasons", description="Template that asks for reasons.")
    verdict: str = Field(default=VERDICT, min_length=1, description="Then asks for one of the letters.")
    letters: Letters = Field(default=("A", "B"), description="What the template calls the first answer and the second.")
    clamp: Clamp = Field(default=(0.4, 0.6), description="Each order's probability is kept in between; null: as it is.")
    max_tokens: int = Field(default=512, ge=1, description="Reasons are cut off after so many tokens.")
    samples: int = Field(default=1, ge=1, description="Reasons are drawn so often, at temperature 1; the mean counts.")
    least_mass: float = Field(
        default=LEAST_MASS, ge=0, le=1, description="Less probability than this on both letters is no verdict."
    )


class PairwiseCotJudge:
    """After its own reasons a model is nearly always certain, right or wrong. Labels from chains of thought are
    therefore clamped, to 0.4–0.6 as published (Constitutional AI, arXiv 2212.08073); no other judge clamps."""

    def __init__(self, setup: Setup) -> None:
        self._options: PairwiseCotOptions = setup.options or PairwiseCotOptions()
        self._model = setup.model
        self._seed = setup.seed
        self._template = setup.templates.get(self._options.template, VARIABLES)

    async def judge(self, prompt: Prompt, a: Response, b: Response, principle: Principle) -> Judgement:
        async def read(first: Response, second: Response) -> Reading:
            request = self._template.request(
                Sampling(max_tokens=self._options.max_tokens),
                messages=prompt.messages,
                a=first.text,
                b=second.text,
                principle=principle,
            )
            chains = (self._chain(prompt, request, sample) for sample in range(self._options.samples))
            return self._mean(await together(chains))

        return await both_orders(read, a, b, principle.id)

    async def _chain(self, prompt: Prompt, request: ChatRequest, sample: int) -> Reading:
        """One chain of thought and its verdict. The verdict is asked for in a turn of its own, which every server takes:
        not every one lets an answer be continued. Reasons that fill the model's context cost the verdict, not the
        prompt."""
        if self._options.samples > 1:
            seed = seed_for(self._seed, prompt.id, f"reasons:{sample}")
            request = replace(request, sampling=replace(request.sampling, temperature=1.0, seed=seed), sample=sample)
        reasons = await self._model.chat(request)
        said = reasons.text.strip() or NO_REASONS
        turns = (*request.messages, Message("assistant", said), Message("user", self._options.verdict))
        try:
            choice = await self._model.choose(ChatRequest(turns, Sampling(temperature=0.0)), self._options.letters)
        except RequestRefusedError as error:
            if error.reason != Reason.CONTEXT_TOO_LONG:
                raise
            return Reading(None, METHOD, (reasons.call,), "unreadable verdict: its own reasons left no room for it")
        reading = reading_of(choice, self._options.least_mass, METHOD)
        calls = tuple(call for call in (reasons.call, *reading.calls) if call)
        return reading._replace(calls=calls, note=reading.note or said)

    def _mean(self, chains: list[Reading]) -> Reading:
        """Chains without a verdict are left out."""
        calls = tuple(dict.fromkeys(call for chain in chains for call in chain.calls))
        read = [chain for chain in chains if chain.p is not None]
        if not read:
            return chains[0]._replace(calls=calls)
        p = sum(chain.p for chain in read if chain.p is not None) / len(read)
        if self._options.clamp is not None:
            low, high = self._options.clamp
            p = min(max(p, low), high)
        return Reading(p, read[0].method, calls, "\n\n".join(chain.note for chain in read))
