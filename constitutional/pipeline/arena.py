"""What a pairing may ask about one prompt: scores and rulings, each made once and recorded."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from constitutional.core.constitution import Constitution, Principle
from constitutional.core.digest import random_for
from constitutional.core.enforcement import draw
from constitutional.core.grading import Grade, grade, grades
from constitutional.core.records import Judgement, Prompt, Response, Ruling, Score
from constitutional.core.ruling import rule
from constitutional.models.groups import leader_first
from constitutional.roles import Judge, Scorer, settled


class Recall(Protocol):
    """Answers that are known already, of an arena that stands for one of an earlier run."""

    async def scores(self, response: Response, ask: Callable[[], Awaitable[list[Score]]]) -> list[Score]: ...

    async def judgements(
        self, a: Response, b: Response, ask: Callable[[], Awaitable[list[Judgement]]]
    ) -> list[Judgement]: ...


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
        recall: Recall | None = None,
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
        self._recall = recall
        self._scored: dict[str, asyncio.Task[list[Score]]] = {}
        self._judged: dict[tuple[str, str], asyncio.Task[list[Judgement]]] = {}
        self._graded: dict[str, float | None] = {}

    async def value(self, response: Response) -> float | None:
        return self._overall(await self._scores(response))

    async def grades(self, responses: Sequence[Response]) -> list[Grade | None]:
        scored = await asyncio.gather(*(self._scores(response) for response in responses))
        made = grades(self._constitution, self.prompt.tags, scored)
        for response, found in zip(responses, made, strict=True):
            self._graded[response.id] = None if found is None else found.overall
        return made

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
        """Response id → its overall score, for those that were asked for; of those that were graded together, that
        grade."""
        alone = {name: self._overall(task.result()) for name, task in self._scored.items() if task.done()}
        return alone | self._graded

    async def aclose(self) -> None:
        """Stop whatever a pairing asked for and did not wait for."""
        tasks = [*self._scored.values(), *self._judged.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _overall(self, scores: list[Score]) -> float | None:
        made = grade(self._constitution, self.prompt.tags, scores)
        return None if made is None else made.overall

    async def _scores(self, response: Response) -> list[Score]:
        if response.id not in self._scored:
            self._scored[response.id] = asyncio.create_task(self._score(response))
        return await self._scored[response.id]

    async def _score(self, response: Response) -> list[Score]:
        ask = functools.partial(self._ask_scorer, response)
        return await (ask() if self._recall is None else self._recall.scores(response, ask))

    async def _compare(self, a: Response, b: Response) -> list[Judgement]:
        ask = functools.partial(self._ask_judge, a, b)
        return await (ask() if self._recall is None else self._recall.judgements(a, b, ask))

    async def _ask_scorer(self, response: Response) -> list[Score]:
        """In draw mode all responses of a prompt are scored under one principle: else they could not be compared."""

        async def ask(principle: Principle) -> Score:
            return await settled(self._scorer.score(self.prompt, response, principle))

        return await leader_first([functools.partial(ask, principle) for principle in self._principles("score")])

    async def _ask_judge(self, a: Response, b: Response) -> list[Judgement]:
        async def ask(principle: Principle) -> Judgement:
            return await settled(self._judge.judge(self.prompt, a, b, principle))

        return await leader_first(
            [functools.partial(ask, principle) for principle in self._principles(f"{a.id}:{b.id}")]
        )

    def _principles(self, purpose: str) -> list[Principle]:
        """All that apply; in draw mode one of them, drawn for this question."""
        if self._constitution.mode == "draw":
            drawn = draw(
                self._constitution, self.prompt.tags, random_for(self._seed, self.prompt.id, f"draw:{purpose}")
            )
            return [] if drawn is None else [drawn[1]]
        return [principle for _, principle in self._constitution.applicable(self.prompt.tags)]
