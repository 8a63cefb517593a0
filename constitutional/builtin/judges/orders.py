"""Both orders of a comparison, combined: no judge that reads text in an order is asked only once."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from constitutional.core.messages import Choice
from constitutional.core.records import Judgement, Response
from constitutional.models.groups import together

SWAPPED = "the other way round, B is the first"


class Reading(NamedTuple):
    """What a judge said of two answers in one order. ``p`` is P(the one shown first is better), None if unreadable."""

    p: float | None
    method: str
    calls: tuple[str, ...] = ()
    note: str = ""


Read = Callable[[Response, Response], Coroutine[Any, Any, Reading]]
"""Shows two answers in this order."""


async def both_orders(read: Read, a: Response, b: Response, principle_id: str) -> Judgement:
    forward, backward = await together([read(a, b), read(b, a)])
    p_ba = None if backward.p is None else 1 - backward.p
    calls = (*forward.calls, *backward.calls)
    return Judgement.of(a, b, principle_id, forward.p, p_ba, forward.method, calls, _notes(forward, backward))


def _notes(forward: Reading, backward: Reading) -> str:
    """What was said in either order; of an abstention, only why."""
    abstained = [reading for reading in (forward, backward) if reading.p is None]
    if abstained:
        return abstained[0].note
    shown = (("", forward.note), (f"({SWAPPED}) ", backward.note))
    return "\n\n".join(f"{order}{note}" for order, note in shown if note)


def reading_of(choice: Choice, least_mass: float, method: str = "") -> Reading:
    """The first option's probability. Where hardly any of the model's probability lay on the options it was not
    answering the question, and what is left of it is noise."""
    named = f"{method}:{choice.method}" if method and choice.method != "logprobs" else method or choice.method
    note = faint(choice, least_mass)
    return Reading(None if note else choice.probabilities[0], named, choice.calls, note)


def faint(choice: Choice, least_mass: float) -> str:
    """Why a choice cannot be read, "" where it can."""
    if not choice.readable:
        return "unreadable verdict"
    if choice.mass is not None and choice.mass < least_mass:
        return f"unreadable verdict: only {choice.mass:.2g} of the probability was on the options"
    return ""
