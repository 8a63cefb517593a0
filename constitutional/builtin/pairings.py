"""Which responses of a prompt are compared."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from constitutional.core.records import Response, Ruling
from constitutional.roles import Arena, Setup


class RevisedVsInitial:
    """Each answer that was revised against what it was: no scores needed, one ruling per revised answer."""

    def __init__(self, setup: Setup) -> None:
        """It has no options."""

    async def pair(self, arena: Arena) -> Sequence[Ruling]:
        finals = [(arena.final[initial.id], initial) for initial in arena.responses]
        revised = [(final, initial) for final, initial in finals if final.id != initial.id]
        return await asyncio.gather(*(arena.compare(final, initial) for final, initial in revised))


class BestVsWorst:
    """The best-scored against the worst-scored of all answers, revised ones included: one ruling per prompt."""

    def __init__(self, setup: Setup) -> None:
        """It has no options."""

    async def pair(self, arena: Arena) -> Sequence[Ruling]:
        candidates = _distinct([*arena.final.values(), *arena.responses])
        values = await asyncio.gather(*(arena.value(candidate) for candidate in candidates))
        scored = zip(values, candidates, strict=True)
        ranked = sorted(((value, item) for value, item in scored if value is not None), key=lambda pair: pair[0])
        if len(ranked) < 2 or ranked[0][0] == ranked[-1][0]:
            return []
        return [await arena.compare(ranked[-1][1], ranked[0][1])]


def _distinct(responses: list[Response]) -> list[Response]:
    """The first response of each text."""
    return list({response.text: response for response in reversed(responses)}.values())[::-1]
