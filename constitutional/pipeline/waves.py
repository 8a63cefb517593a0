"""How many questions wait for one another: those that are asked side by side are one wave, as they would be one batch."""

from __future__ import annotations

import asyncio

from constitutional.models.groups import joined_a_batch

QUIET = 30
"""Turns of the event loop without a new question: then all of a wave are there, for nothing here waits for anything else."""


class Waves:
    def __init__(self) -> None:
        self.count = 0
        self._arrived = 0
        self._wave: asyncio.Future[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    async def join(self) -> None:
        """Until the wave that this question is in has been answered."""
        loop = asyncio.get_running_loop()
        if self._wave is None:
            self._wave = loop.create_future()
            self._closing = loop.create_task(self._close(self._wave))
        self._arrived += 1
        joined_a_batch()
        await self._wave

    async def _close(self, wave: asyncio.Future[None]) -> None:
        seen = 0
        while seen != self._arrived:
            seen = self._arrived
            for _ in range(QUIET):
                await asyncio.sleep(0)
        self.count += 1
        self._wave = None
        wave.set_result(None)
