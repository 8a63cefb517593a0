"""A provider's batch API, asked by somebody who has hours: a lost network is waited out, and no batch is sent twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from constitutional.errors import ModelUnavailableError, TransientError
from constitutional.ledger import SentBatch
from constitutional.models.batches.api import BatchApi, BatchStatus
from constitutional.models.throttle import Throttle

FIRST_POLL = 5.0


@dataclass(frozen=True, slots=True)
class Waits:
    """``max_wait`` and ``poll`` are seconds; a batch is looked at often at first and then every ``poll``."""

    max_wait: float | None = None
    poll: float = 60.0


class Patient:
    def __init__(self, api: BatchApi, waits: Waits) -> None:
        self._api = api
        self._waits = waits
        self._calls = Throttle(4)
        self.trouble: str | None = None
        """Why the provider cannot be asked at the moment."""

    async def submit(self, batch: SentBatch, lines: Callable[[], Iterable[bytes]]) -> str:
        """The batch's id. Before it is sent a second time it is looked for: the answer to the first may have been lost."""
        tried = False

        async def submit() -> str:
            nonlocal tried
            found = await self._api.find(batch.token, batch.at, batch.requests) if tried else None
            tried = True
            return found or await self._api.submit(lines(), batch.token)

        try:
            return await self._calls.call(submit)
        except ModelUnavailableError as error:
            if not _unknown(error):
                raise
            raise ModelUnavailableError(
                f"{batch.model}: the server answers calls and takes no batches: leave --batch out, or set `batch: false` "
                f"for this model; what it has answered is kept ({error.message})"
            ) from error

    async def find(self, batch: SentBatch) -> str | None:
        found: str | None = await self.until_it_works(lambda: self._api.find(batch.token, batch.at, batch.requests))
        return found

    async def ended(self, batch: SentBatch, seen: Callable[[BatchStatus], None]) -> tuple[BatchStatus, bool]:
        """The status at its end, and whether it was cancelled for taking too long. An earlier session's time counts too."""
        loop = asyncio.get_running_loop()
        pause, given_up = min(FIRST_POLL, self._waits.poll), False
        began = loop.time()
        while True:
            try:
                status = await self.until_it_works(lambda: self._api.look(str(batch.id)))
            except ModelUnavailableError as error:
                if not _unknown(error):
                    raise
                return BatchStatus(True), given_up
            seen(status)
            if status.ended:
                return status, given_up
            waited = max(loop.time() - began, time.time() - batch.at)
            if not given_up and self._waits.max_wait is not None and waited >= self._waits.max_wait:
                given_up = True
                await self.until_it_works(lambda: self._api.cancel(str(batch.id)))
                continue
            await asyncio.sleep(pause)
            pause = min(self._waits.poll, pause * 1.5)

    async def until_it_works(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """A batch outlives an hour without a network."""
        while True:
            try:
                answer = await self._calls.call(ask)
            except TransientError as error:
                self.trouble = error.message
                await asyncio.sleep(self._waits.poll)
            else:
                self.trouble = None
                return answer


def _unknown(error: ModelUnavailableError) -> bool:
    return "unknown model or address" in error.message
