"""One question to a model, from code that is not async."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from constitutional.models.base import ChatModel

M = TypeVar("M", bound=ChatModel)
T = TypeVar("T")


def ask_once(model: M, question: Callable[[M], Awaitable[T]]) -> T:
    """The answer; the model is closed after it."""

    async def run() -> T:
        try:
            return await question(model)
        finally:
            await model.aclose()

    return asyncio.run(run())
