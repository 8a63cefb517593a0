"""Judges with one fault each."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from pydantic import BaseModel, ConfigDict

from constitutional import ChatRequest, Judgement, Response, Sampling, Setup


class Plain:
    """A judge without a fault: takes no options, asks no model."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    def judge(self, prompt: Any, a: Response, b: Response, principle: Any) -> Judgement:
        p = (1 + len(b.text)) / (2 + len(a.text) + len(b.text))
        return Judgement.of(a, b, principle.id, p, p, "plain")


class Asking(Plain):
    """Asks a model, in one order or in both."""

    orders = 2

    async def read(self, a: Response, b: Response) -> float | None:
        text = f"{a.text}\x1f{b.text}"
        from constitutional import Message

        request = ChatRequest((Message("user", text),), Sampling(temperature=0.0))
        choice = await self.setup.model.choose(request, ("A", "B"))
        return choice.probabilities[0] if choice.readable else self.otherwise()

    def otherwise(self) -> float | None:
        return None

    async def judge(self, prompt: Any, a: Response, b: Response, principle: Any) -> Judgement:  # type: ignore[override]
        p = await self.read(a, b)
        if self.orders == 1:
            return Judgement.of(a, b, principle.id, p, p, "asking")
        other = await self.read(b, a)
        return Judgement.of(a, b, principle.id, p, None if other is None else 1 - other, "asking")


class OneOrder(Asking):
    orders = 1


class CoinFlip(Asking):
    def otherwise(self) -> float | None:
        return 0.5


class Swallows(Asking):
    async def read(self, a: Response, b: Response) -> float | None:
        try:
            return await super().read(a, b)
        except asyncio.CancelledError:
            return None


class LeavesTasks(Asking):
    async def read(self, a: Response, b: Response) -> float | None:
        self.task = asyncio.create_task(super().read(a, b))
        return await asyncio.shield(self.task)


class Random(Plain):
    def judge(self, prompt: Any, a: Response, b: Response, principle: Any) -> Judgement:
        p = random.random()
        return Judgement.of(a, b, principle.id, p, p, "random")


class Stateful(Asking):
    """Keeps what one call needs where another writes over it."""

    async def judge(self, prompt: Any, a: Response, b: Response, principle: Any) -> Judgement:  # type: ignore[override]
        self.pair = a, b
        p = await self.read(a, b)
        return Judgement.of(*self.pair, principle.id, p, p, "stateful")


class Percent(Plain):
    def judge(self, prompt: Any, a: Response, b: Response, principle: Any) -> Judgement:
        return Judgement.of(a, b, principle.id, 50.0, 50.0, "percent")


class TurnsRound(Plain):
    def judge(self, prompt: Any, a: Response, b: Response, principle: Any) -> Judgement:
        return super().judge(prompt, b, a, principle)


class Fragile(Plain):
    def judge(self, prompt: Any, a: Response, b: Response, principle: Any) -> Judgement:
        _ = 1 / (len(a.text) * len(b.text))
        return super().judge(prompt, a, b, principle)


class Handmade(Plain):
    def judge(self, prompt: Any, a: Response, b: Response, principle: Any) -> Judgement:
        return Judgement(a.id, b.id, principle.id, 0.9, 0.9, 0.5, True, "handmade")


class NoMethod:
    def __init__(self, setup: Setup) -> None:
        """Judges nothing."""


class FewArguments(NoMethod):
    def judge(self, a: Response, b: Response) -> None:
        """Takes too few."""


class AsksEarly(Asking):
    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        from constitutional import Message

        asyncio.run(setup.model.choose(ChatRequest((Message("user", "?"),)), ("A", "B")))


class Loose(BaseModel):
    threshold: float = 0.5


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")

    threshold: float = 0.5
