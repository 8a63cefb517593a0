"""``rules``: the answer that upholds more of a list of fixed rules is better. No model is asked."""

from __future__ import annotations

from pydantic import Field

from constitutional.builtin.rules import Rules
from constitutional.core.constitution import Principle
from constitutional.core.records import Judgement, Prompt, Response
from constitutional.roles import Setup

DIGITS = 12
"""Equal shares that were added up in another order are equal."""


class RulesJudgeOptions(Rules):
    certainty: float = Field(
        default=0.95, gt=0.5, le=1, description="P where one answer upholds every rule and the other none."
    )


class RulesJudge:
    """P = ½ + (certainty − ½) · the difference of the shares of weight that the answers uphold; equal shares are a tie.
    Rules look at one answer at a time, so both orders say the same."""

    def __init__(self, setup: Setup) -> None:
        self._options: RulesJudgeOptions = setup.options

    def judge(self, prompt: Prompt, a: Response, b: Response, principle: Principle) -> Judgement:
        options = self._options
        p = round(0.5 + (options.certainty - 0.5) * (options.share(a.text) - options.share(b.text)), DIGITS)
        broken = ((side, options.broken(answer.text)) for side, answer in (("A", a), ("B", b)))
        note = "; ".join(f"{side} breaks {', '.join(rules)}" for side, rules in broken if rules)
        return Judgement.of(a, b, principle.id, p, p, "rules", note=note)
