"""A model that is asked at a desk: the first request of each kind directly, all others in batches, and directly again what a
batch took too long for. A request that expired or met a server error joins the next batch; after ``BATCH_TRIES`` it fails
like any other call."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

from constitutional.core.messages import ChatReply, ChatRequest, Choice
from constitutional.errors import TransientError
from constitutional.models.base import ChatModel
from constitutional.models.batches.api import BatchingModel
from constitutional.models.batches.desk import AgainError, Desk, GivenUpError
from constitutional.models.batches.purse import SHARE
from constitutional.models.throttle import Throttle

R = TypeVar("R", ChatReply, Choice)
T = TypeVar("T")
BATCH_TRIES = 3


class BatchedModel:
    """Implements ``base.ChatModel``. ``throttle`` is for what is asked directly."""

    def __init__(self, direct: BatchingModel, desk: Desk, throttle: Throttle) -> None:
        self._direct = direct
        self._batched = direct.through(desk.post)
        self._scout = direct.through(functools.partial(desk.scout, direct.post))
        self._throttle = throttle
        self._scouted: set[str] = set()
        self._locks = {kind: asyncio.Lock() for kind in ("chat", "schema", "choose")}

    @property
    def id(self) -> str:
        return self._direct.id

    @property
    def identity(self) -> Any:
        return self._direct.identity

    async def chat(self, request: ChatRequest) -> ChatReply:
        return await self._ask("chat" if request.schema is None else "schema", lambda model: model.chat(request))

    async def choose(self, request: ChatRequest, options: tuple[str, ...]) -> Choice:
        return await self._ask("choose", lambda model: model.choose(request, options))

    async def aclose(self) -> None:
        await self._direct.aclose()

    async def _ask(self, kind: str, ask: Callable[[ChatModel], Awaitable[R]]) -> R:
        if kind not in self._scouted:
            async with self._locks[kind]:
                if kind not in self._scouted:
                    with contextlib.suppress(AgainError):
                        reply = await self._throttle.call(lambda: ask(self._scout))
                        self._scouted.add(kind)
                        return reply
                    self._scouted.add(kind)
        failures = 0
        while True:
            try:
                reply = await ask(self._batched)
            except AgainError:
                continue
            except GivenUpError:
                return await self._throttle.call(lambda: ask(self._direct))
            except TransientError as error:
                failures += 1
                if failures >= BATCH_TRIES:
                    raise
                self._throttle.retries[error.reason] += 1
            else:
                return replace(reply, usage=replace(reply.usage, share=SHARE))


class Straight:
    """A lane without a limit: the calls wait in a batch and not for a place."""

    async def call(self, ask: Callable[[], Awaitable[T]]) -> T:
        return await ask()
