"""How many calls a strategy would still need, at most: what it asks first is certain, and what it asks once an answer was
made up may be anything, up to as much as it says that it may ask."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from heapq import nlargest
from typing import Any, Protocol, TypeVar

from constitutional.core.grading import Grade
from constitutional.core.records import Reject, Response, Ruling
from constitutional.pipeline.planned import needs_of
from constitutional.roles import Arena, Pairing, settled

Q = TypeVar("Q")
T = TypeVar("T")


class Costs(Protocol):
    """Of the questions that were asked: the calls of each that the ledger lacks."""

    @property
    def guessed(self) -> bool:
        """Whether any answer was made up."""
        ...

    def of_scores(self, response: Response) -> int: ...

    def of_comparison(self, a: Response, b: Response) -> int: ...

    def most(self, kind: str) -> int | None:
        """What a question costs of which the ledger holds nothing; None where that is not known."""
        ...


class GuessedError(Exception):
    """What follows from a made-up answer says nothing: the strategy is stopped there."""


class Bounded:
    """Implements ``roles.Pairing`` for one that is asked what it would need. ``missing`` is known when it has ended."""

    def __init__(self, pairing: Pairing, costs: Costs) -> None:
        self.missing = 0
        self._pairing = pairing
        self._costs = costs

    async def pair(self, arena: Arena) -> Sequence[Ruling | Reject]:
        watched = _Watched(arena, self._costs)
        proposed: Sequence[Ruling | Reject] = ()
        try:
            proposed = await settled(self._pairing.pair(watched))
        except Exception:
            if not self._costs.guessed:
                raise
        if self._costs.guessed:
            self.missing = await self._bound(arena, watched)
        await watched.answered()
        return proposed

    async def _bound(self, arena: Arena, watched: _Watched) -> int:
        revised = sum(final.id != name for name, final in arena.final.items())
        needs = needs_of(self._pairing, len(arena.responses), revised)
        everyone = list({item.text: item for item in (*arena.final.values(), *arena.responses)}.values())

        async def score(response: Response) -> int:
            await arena.value(response)
            return self._costs.of_scores(response)

        async def compare(pair: tuple[Response, Response]) -> int:
            await arena.compare(*pair)
            return self._costs.of_comparison(*pair)

        others = [response for response in everyone if response.id not in watched.scored]
        pairs = [two for two in itertools.combinations(everyone, 2) if _of(*two) not in watched.compared]
        return (
            sum([await score(response) for response in watched.scored.values()])
            + sum([await compare(pair) for pair in watched.compared.values()])
            + await self._dearest("scores", others, score, needs.scores - len(watched.scored))
            + await self._dearest("judgements", pairs, compare, needs.comparisons - len(watched.compared))
        )

    async def _dearest(self, kind: str, questions: Iterable[Q], cost: Callable[[Q], Awaitable[int]], many: int) -> int:
        """Of so many of the questions, whichever they are."""
        found: list[int] = []
        for question in questions if many > 0 else ():
            most = self._costs.most(kind)
            if most is not None and sum(one >= most for one in found) >= many:
                break
            found.append(await cost(question))
        return sum(nlargest(many, found))


class _Watched:
    """Implements ``roles.Arena``: passes questions on and remembers those that were asked before any answer was made up."""

    def __init__(self, arena: Arena, costs: Costs) -> None:
        self.prompt = arena.prompt
        self.responses = arena.responses
        self.final = arena.final
        self.unresolved = arena.unresolved
        self.scored: dict[str, Response] = {}
        self.compared: dict[frozenset[str], tuple[Response, Response]] = {}
        self._arena = arena
        self._costs = costs
        self._asked: list[asyncio.Future[Any]] = []

    async def answered(self) -> None:
        """Wait for what a strategy asked side by side when it was stopped: it must not go on beside the next one."""
        await asyncio.gather(*self._asked, return_exceptions=True)

    async def _ask(self, question: Coroutine[Any, Any, T]) -> T:
        asked = asyncio.ensure_future(question)
        self._asked.append(asked)
        found = await asked
        if self._costs.guessed:
            raise GuessedError
        return found

    async def value(self, response: Response) -> float | None:
        self._note(response)
        return await self._ask(self._arena.value(response))

    async def grades(self, responses: Sequence[Response]) -> list[Grade | None]:
        self._note(*responses)
        return await self._ask(self._arena.grades(responses))

    async def compare(self, a: Response, b: Response) -> Ruling:
        if not self._costs.guessed:
            self.compared.setdefault(_of(a, b), (a, b))
        return await self._ask(self._arena.compare(a, b))

    def _note(self, *responses: Response) -> None:
        if not self._costs.guessed:
            self.scored |= {response.id: response for response in responses}


def _of(a: Response, b: Response) -> frozenset[str]:
    return frozenset((a.id, b.id))
