"""``pocket-oracle``: the truth of the pocket world in the roles of a critic, a judge and a scorer.

Plugins like any other: a run, an audit or an evaluation names them, and the ledger's plan holds their name and options.
Asked about anything else than the pocket world's questions and principles they abstain and say why.

A judge may be made worse on purpose, by a known amount: what a feature is worth under a bad judge can then be measured."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from constitutional.core.constitution import Principle
from constitutional.core.digest import random_for
from constitutional.core.records import Critique, Judgement, Prompt, Response, Score
from constitutional.errors import UsageError
from constitutional.pocket import oracle
from constitutional.pocket.world import Question, read
from constitutional.roles import Setup

METHOD = "oracle"


class OracleJudgeOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    certainty: float = Field(default=1.0, gt=0.5, le=1, description="P of the answer that is better.")
    noise: float = Field(default=0.0, ge=0, le=1, description="Share of the pairs of which it says the contrary.")
    place: float = Field(
        default=0.0, ge=0, le=1, description="Share of the pairs of which it names the first, in either order."
    )


class OracleCritic:
    """A critique in the words that the pocket model learns; a verdict without doubt."""

    def __init__(self, setup: Setup) -> None:
        pass

    def critique(self, prompt: Prompt, response: Response, principle: Principle) -> Critique:
        question, why = _known(prompt, principle)
        if question is None:
            return Critique(response.id, principle.id, None, why, method=METHOD)
        violates = oracle.violates(question, response.text, principle.id)
        text = oracle.explain(question, response.text, principle.id) if violates else ""
        return Critique(response.id, principle.id, violates, text, float(violates), METHOD)


class OracleJudge:
    """Both orders say the same, but of the pairs of which it looks at the place alone. What it gets wrong depends on the
    seed, the prompt and the two texts, and on no principle: of such a pair it is wrong through and through."""

    def __init__(self, setup: Setup) -> None:
        self._options: OracleJudgeOptions = setup.options or OracleJudgeOptions()
        self._seed = setup.seed

    def judge(self, prompt: Prompt, a: Response, b: Response, principle: Principle) -> Judgement:
        question, why = _known(prompt, principle)
        if question is None:
            return Judgement.of(a, b, principle.id, None, None, METHOD, note=why)
        options = self._options
        random = random_for(self._seed, prompt.id, "oracle:" + "\n".join(sorted((a.text, b.text))))
        lean = oracle.prefers(question, a.text, b.text, principle.id)
        contrary, by_place = random.random() < options.noise, random.random() < options.place
        reach = options.certainty - 0.5
        if by_place:
            return Judgement.of(a, b, principle.id, 0.5 + reach, 0.5 - reach, METHOD)
        p = 0.5 + reach * (-lean if contrary else lean)
        return Judgement.of(a, b, principle.id, p, p, METHOD)


class OracleScorer:
    """The oracle's grade, from 1 to 10, as a share."""

    def __init__(self, setup: Setup) -> None:
        pass

    def score(self, prompt: Prompt, response: Response, principle: Principle) -> Score:
        question, why = _known(prompt, principle)
        if question is None:
            return Score(response.id, principle.id, None, METHOD, note=why)
        grade = oracle.grade(question, response.text, principle.id)
        return Score(response.id, principle.id, (grade - 1) / (oracle.UPHELD - 1), METHOD)


class CorrectnessScorer:
    """Whether the answer says what the good answer says: the same under every principle."""

    def __init__(self, setup: Setup) -> None:
        pass

    def score(self, prompt: Prompt, response: Response, principle: Principle) -> Score:
        try:
            right = oracle.correct(read(prompt.messages), response.text)
        except UsageError as error:
            return Score(response.id, principle.id, None, METHOD, note=str(error))
        return Score(response.id, principle.id, float(right), METHOD)


def _known(prompt: Prompt, principle: Principle) -> tuple[Question | None, str]:
    """The question, or why there is no truth to tell."""
    if principle.id not in oracle.PRINCIPLES:
        return None, f"{principle.id} is no principle of the pocket world"
    try:
        return read(prompt.messages), ""
    except UsageError as error:
        return None, str(error)
