"""Made-up minds behind a model: what it says is a function of what it is asked, so that a test can repeat it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any

from constitutional.core.digest import digest
from constitutional.core.messages import ChatRequest
from constitutional.models.scripted import Script

UNREADABLE = "Hm, hm. That is hard to say, and so I will not."


def lopsided(request: ChatRequest, options: tuple[str, ...] | None) -> Any:
    """Has an opinion on everything, which depends on every character and so also on the order: a judge that reads only
    one order cannot agree with itself. To a chat it gives one of a few short replies."""
    number = int(digest([request.messages, request.sample])[:8], 16)
    if options is None:
        return f"It could be said in fewer words ({number % 97})."
    weights = [1 + (number >> (3 * place)) % 8 for place in range(len(options))]
    return dict(zip(options, weights, strict=True))


def silent(request: ChatRequest, options: tuple[str, ...] | None) -> Any:
    """Says nothing that can be read: no option has any weight, and a chat gets no text."""
    return "" if options is None else {}


def evasive(request: ChatRequest, options: tuple[str, ...] | None) -> Any:
    """As a model that ignores the question: text, and never one of the options."""
    return UNREADABLE if options is None else {}


def by_length(first: str, second: str) -> float:
    """P(the first is better) of somebody who likes it short."""
    return (1 + len(second)) / (2 + len(first) + len(second))


def graded(ladder: Sequence[str]) -> Script:
    """Knows these answers, from the worst to the best, and grades the one it finds in the request: high among options
    that are numbers, ``yes`` among words. A chat gets a number from 0 to 10."""

    def script(request: ChatRequest, options: tuple[str, ...] | None) -> Any:
        text = "\n".join(message.content for message in request.messages)
        found = [place for place, answer in enumerate(ladder) if answer in text]
        level = max(found, default=0) / max(1, len(ladder) - 1)
        if options is None:
            return f"{round(10 * level)}"
        return _weighed(level, options)

    return script


def _weighed(level: float, options: tuple[str, ...]) -> dict[str, float]:
    numbers = [int(match[0]) if (match := re.search(r"\d+", option)) else None for option in options]
    if all(number is not None for number in numbers):
        ranks = sorted(range(len(options)), key=lambda place: numbers[place] or 0)
    else:
        good = {"yes", "true", "good", "upholds", "a"}
        ranks = sorted(range(len(options)), key=lambda place: options[place].strip(" ().").casefold() in good)
    wanted = level * (len(options) - 1)
    return {options[place]: 1 / (1 + 4 * abs(rank - wanted)) for rank, place in enumerate(ranks)}


def slow(script: Script, request_order: Callable[[int], int]) -> Script:
    """The same, in another order: the n-th question waits for so many turns of the event loop."""
    asked = 0

    async def later(request: ChatRequest, options: tuple[str, ...] | None) -> Any:
        nonlocal asked
        asked += 1
        for _ in range(request_order(asked)):
            await asyncio.sleep(0)
        return script(request, options)

    return later


class Never:
    """A mind that is asked and does not answer; ``reached`` says that it was asked."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()

    async def __call__(self, request: ChatRequest, options: tuple[str, ...] | None) -> Any:
        self.reached.set()
        await asyncio.Event().wait()
