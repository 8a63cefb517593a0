"""What a pairing may ask about one prompt: scores and rulings, each made once and recorded."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping

from constitutional.core.constitution import Constitution, Principle
from constitutional.core.digest import random_for
from constitutional.core.enforcement import draw
from constitutional.core.records import Judgement, Prompt, Response, Ruling, Score
from constitutional.core.ruling import rule, scalar
from constitutional.models.groups import leader_first
from constitutional.roles import Judge, Scorer, settled


class LiveArena:
    """Implements ``roles.Arena`` by asking the run's judge and scorer. Questions may be asked side by side; what is
    recorded is in the order in which they were asked."""

    def __init__(
        self,
        prompt: Prompt,
        responses: tuple[Response, ...],
        final: Mapping[str, Response],
        violators: Mapping[str, str],
        constitution: Constitution,
        judge: Judge,
        scorer: Scorer,
        seed: int,
    ) -> None:
        self.prompt = prompt
        self.responses = responses
        self.final = final
        self.unresolved = frozenset(violators)
        self._violators = violators
        self._constitution = constitution
        self._judge = judge
        self._scorer = scorer
        self._seed = seed
        self._scored: dict[str, asyncio.Task[list[Score]]] = {}
        self._judged: dict[tuple[str, str], asyncio.Task[list[Judgement]]] = {}

    async def value(self, response: Response) -> float | None:
        if response.id not in self._scored:
            self._scored[response.id] = asyncio.create_task(self._score(response))
        return self._scalar(await self._scored[response.id])

    async def compare(self, a: Response, b: Response) -> Ruling:
        if (a.id, b.id) not in self._judged:
            self._judged[a.id, b.id] = asyncio.create_task(self._compare(a, b))
        judgements = await self._judged[a.id, b.id]
        return rule(self._constitution, self.prompt.tags, a, b, judgements, self._violators)

    @property
    def scores(self) -> tuple[Score, ...]:
        return tuple(score for task in self._scored.values() if task.done() for score in task.result())

    @property
    def judgements(self) -> tuple[Judgement, ...]:
        return tuple(item for task in self._judged.values() if task.done() for item in task.result())

    @property
    def values(self) -> dict[str, float | None]:
        """Response id → its overall score, for those that were asked for."""
        return {name: self._scalar(task.result()) for name, task in self._scored.items() if task.done()}

    async def aclose(self) -> None:
        """Stop whatever a pairing asked for and did not wait for."""
        tasks = [*self._scored.values(), *self._judged.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _scalar(self, scores: list[Score]) -> float | None:
        return scalar(self._constitution, self.prompt.tags, scores)

    async def _score(self, response: Response) -> list[Score]:
        return await leader_first(
            [functools.partial(self._ask_scorer, response, p) for p in self._principles(response.id)]
        )

    async def _compare(self, a: Response, b: Response) -> list[Judgement]:
        return await leader_first(
            [functools.partial(self._ask_judge, a, b, p) for p in self._principles(f"{a.id}:{b.id}")]
        )

    def _principles(self, purpose: str) -> list[Principle]:
        """All that apply; in draw mode one of them, drawn for this question."""
        if self._constitution.mode == "draw":
            drawn = draw(
                self._constitution, self.prompt.tags, random_for(self._seed, self.prompt.id, f"draw:{purpose}")
            )
            return [] if drawn is None else [drawn[1]]
        return [principle for _, principle in self._constitution.applicable(self.prompt.tags)]

    async def _ask_scorer(self, response: Response, principle: Principle) -> Score:
        return await settled(self._scorer.score(self.prompt, response, principle))

    async def _ask_judge(self, a: Response, b: Response, principle: Principle) -> Judgement:
        return await settled(self._judge.judge(self.prompt, a, b, principle))
