"""``rules``: the share of weight of the fixed rules that an answer upholds. No model is asked."""

from __future__ import annotations

from constitutional.builtin.rules import Rules
from constitutional.core.constitution import Principle
from constitutional.core.records import Prompt, Response, Score
from constitutional.roles import Setup


class RulesScorer:
    def __init__(self, setup: Setup) -> None:
        self._options: Rules = setup.options

    def score(self, prompt: Prompt, response: Response, principle: Principle) -> Score:
        broken = self._options.broken(response.text)
        note = f"breaks {', '.join(broken)}" if broken else ""
        return Score(response.id, principle.id, self._options.share(response.text), "rules", note=note)
