"""``rubric``: a grade for each answer on each of several points, a winner and a reason, as JSON, in both orders."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from constitutional.builtin.judges.orders import Reading, both_orders
from constitutional.builtin.judges.rubric_reply import Reply, difference, plain, read_reply
from constitutional.core.constitution import Principle
from constitutional.core.messages import Sampling
from constitutional.core.records import Judgement, Prompt, Response
from constitutional.core.stats.regression import sigmoid
from constitutional.roles import Setup

VARIABLES = frozenset({"messages", "a", "b", "principle", "dimensions", "points"})
DIMENSIONS = {
    "principle": "follows the principle at the end",
    "accuracy": "is correct and invents nothing",
    "helpfulness": "does what was asked, completely and clearly",
}
WEIGHTS = {"principle": 2.0}
METHOD = "rubric"


def _tellable(dimensions: dict[str, str]) -> dict[str, str]:
    names = [plain(name) for name in dimensions]
    if not names or len(set(names)) < len(names) or {"", "a", "b"} & set(names):
        raise ValueError("at least one name, and names that differ from each other and from A and B")
    return dimensions


class RubricOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    template: str = Field(default="judge/rubric", description="Template that asks for the grades.")
    dimensions: Annotated[dict[str, str], AfterValidator(_tellable)] = Field(
        default=DIMENSIONS, description="What is graded: name and meaning."
    )
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default=WEIGHTS, description="How much each counts; 1 where nothing is said."
    )
    points: int = Field(default=10, ge=2, le=100, description="The best grade; the worst is 1.")
    scale: float = Field(
        default=2.0, gt=0, description="P = 1 / (1 + exp(-d / scale)), d being the weighted mean difference in points."
    )

    @model_validator(mode="after")
    def _weights_are_of_dimensions(self) -> RubricOptions:
        if "weights" in self.model_fields_set and (unknown := self.weights.keys() - self.dimensions.keys()):
            raise ValueError(f"weights of what is no dimension: {', '.join(sorted(unknown))}")
        if not any(self.weight(name) for name in self.dimensions):
            raise ValueError("every weight is 0")
        return self

    def weight(self, dimension: str) -> float:
        return self.weights.get(dimension, 1.0)


class RubricJudge:
    """The grades decide, and by how much: a difference of d points is P = σ(d / scale), none is a tie. Points that were
    not graded are left out; see ``rubric_reply`` for how replies are read."""

    def __init__(self, setup: Setup) -> None:
        self._options: RubricOptions = setup.options or RubricOptions()
        self._model = setup.model
        self._template = setup.templates.get(self._options.template, VARIABLES)
        self._weights = {name: self._options.weight(name) for name in self._options.dimensions}
        self._counted = tuple(name for name, weight in self._weights.items() if weight > 0)
        self._schema = schema(tuple(self._weights), self._options.points)

    async def judge(self, prompt: Prompt, a: Response, b: Response, principle: Principle) -> Judgement:
        async def read(first: Response, second: Response) -> Reading:
            request = self._template.request(
                Sampling(),
                messages=prompt.messages,
                a=first.text,
                b=second.text,
                principle=principle,
                dimensions=self._options.dimensions,
                points=self._options.points,
            )
            reply = await self._model.chat(replace(request, schema=self._schema))
            return self._reading(read_reply(reply.text, self._counted, self._options.points), reply.call)

        return await both_orders(read, a, b, principle.id)

    def _reading(self, reply: Reply | None, call: str) -> Reading:
        calls = (call,) if call else ()
        if reply is None:
            return Reading(None, METHOD, calls, "unreadable verdict: no grades for both answers")
        points = difference(reply, self._weights)
        if points is None:
            return Reading(None, METHOD, calls, "unreadable verdict: its winner contradicts its grades")
        shown = ", ".join(f"{name} {a:g}:{b:g}" for name, (a, b) in reply.grades.items())
        missing = ", ".join(name for name in self._counted if name not in reply.grades)
        note = f"{reply.reason} [{shown}{f'; not graded: {missing}' if missing else ''}]".strip()
        return Reading(sigmoid(points / self._options.scale), METHOD, calls, note)


def schema(dimensions: tuple[str, ...], points: int) -> dict[str, Any]:
    """What every provider can hold a model to: no bounds, which some refuse, but all values spelled out."""
    grade = {"type": "integer", "enum": list(range(1, points + 1))}
    sides = _object({"A": grade, "B": grade})
    winner = {"type": "string", "enum": ["A", "B", "tie"]}
    scores = _object(dict.fromkeys(dimensions, sides))
    return _object({"reason": {"type": "string"}, "scores": scores, "winner": winner})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
