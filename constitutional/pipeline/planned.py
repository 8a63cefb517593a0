"""How much a strategy asks: what it says beforehand, and asking as much where its answers are only guessed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from constitutional.core.grading import Grade
from constitutional.core.records import Reject, Response, Ruling
from constitutional.roles import Arena, Needs, Pairing, PlannedPairing, settled


def needs_of(pairing: Pairing, sampled: int, revised: int) -> Needs:
    """Of a strategy that does not say, all that there is to ask."""
    if isinstance(pairing, PlannedPairing):
        return pairing.needs(sampled, revised)
    n = sampled + revised
    return Needs(n, n * (n - 1) // 2)


@dataclass(frozen=True, slots=True)
class Padded:
    """Implements ``roles.Pairing`` for one that is asked about made-up answers. What follows from a guess says nothing
    of how much will be asked: then as much is asked as the strategy may ask. Where every answer is known, nothing is
    added."""

    pairing: Pairing
    guessed: Callable[[], bool]
    """Whether anything about this prompt was made up, asked once the strategy has ended."""

    async def pair(self, arena: Arena) -> Sequence[Ruling | Reject]:
        watched = _Watched(arena)
        proposed: Sequence[Ruling | Reject] = await settled(self.pairing.pair(watched))
        if self.guessed():
            revised = sum(final.id != name for name, final in arena.final.items())
            await watched.fill(needs_of(self.pairing, len(arena.responses), revised))
        return proposed


class _Watched:
    """Implements ``roles.Arena``: passes every question on, and remembers it."""

    def __init__(self, arena: Arena) -> None:
        self.prompt = arena.prompt
        self.responses = arena.responses
        self.final = arena.final
        self.unresolved = arena.unresolved
        self._arena = arena
        self._scored: set[str] = set()
        self._compared: set[frozenset[str]] = set()

    async def value(self, response: Response) -> float | None:
        self._scored.add(response.id)
        return await self._arena.value(response)

    async def grades(self, responses: Sequence[Response]) -> list[Grade | None]:
        self._scored |= {response.id for response in responses}
        return await self._arena.grades(responses)

    async def compare(self, a: Response, b: Response) -> Ruling:
        self._compared.add(frozenset((a.id, b.id)))
        return await self._arena.compare(a, b)

    async def fill(self, needs: Needs) -> None:
        """Ask what is left of it: which answers it will be about is not known."""
        everyone = list({item.text: item for item in (*self.final.values(), *self.responses)}.values())
        for response in everyone:
            if response.id not in self._scored and len(self._scored) < needs.scores:
                await self.value(response)
        for a, b in itertools.combinations(everyone, 2):
            if frozenset((a.id, b.id)) not in self._compared and len(self._compared) < needs.comparisons:
                await self.compare(a, b)
