"""``panel``: the weighted mean of several scorers, or of one with several models."""

from __future__ import annotations

from constitutional.builtin.panel import PanelOptions
from constitutional.core.constitution import Principle
from constitutional.core.records import Prompt, Response, Score
from constitutional.models.groups import together
from constitutional.roles import Scorer, Setup, settled


class PanelScorer:
    """A member that abstains is left out; where all do, so does the panel."""

    def __init__(self, setup: Setup) -> None:
        self._options: PanelOptions = setup.options
        self._scorers: tuple[Scorer, ...] = self._options.made(setup, "scorer")
        self._names = self._options.names()

    async def score(self, prompt: Prompt, response: Response, principle: Principle) -> Score:
        async def ask(scorer: Scorer) -> Score:
            return await settled(scorer.score(prompt, response, principle))

        scores = await together(ask(scorer) for scorer in self._scorers)
        given = zip(scores, self._options.weighted(), strict=True)
        said = [(score.value, weight) for score, weight in given if score.value is not None and weight > 0]
        total = sum(weight for _, weight in said)
        value = sum(value * weight for value, weight in said) / total if said else None
        shown = (
            f"{name} {'abstained' if score.value is None else format(score.value, '.2f')}"
            for name, score in zip(self._names, scores, strict=True)
        )
        methods = "+".join(dict.fromkeys(score.method for score in scores if score.value is not None)) or "none"
        calls = tuple(dict.fromkeys(call for score in scores for call in score.calls))
        return Score(response.id, principle.id, value, f"panel:soft({methods})", calls, ", ".join(shown))
