"""Each answer that was revised against what it was."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from constitutional.core.records import Ruling
from constitutional.roles import Arena, Needs, Setup


class RevisedVsInitial:
    """No scores needed, one ruling per revised answer."""

    def __init__(self, setup: Setup) -> None:
        """It has no options."""

    def needs(self, sampled: int, revised: int) -> Needs:
        return Needs(0, revised)

    async def pair(self, arena: Arena) -> Sequence[Ruling]:
        finals = [(arena.final[initial.id], initial) for initial in arena.responses]
        revised = [(final, initial) for final, initial in finals if final.id != initial.id]
        return await asyncio.gather(*(arena.compare(final, initial) for final, initial in revised))
