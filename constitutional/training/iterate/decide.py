"""What a round's figures decide: whether it is the last, which round was best, and how much is answered anew. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from constitutional.training.iterate.settings import Ratio

PAYS = 5.0
"""An improvement of so many times the least one says that new answers pay in full."""
STALE = 10.0
"""Nats an answer that the policy has moved in a round, from which on older answers are no longer its own."""


@dataclass(frozen=True, slots=True)
class Round:
    """What is known of a finished round, as JSON."""

    number: int
    ratio: float
    """The share of the prompts that were answered anew."""
    prompts: int
    pairs: dict[str, int]
    """What it was trained on: ``new``, ``first``, ``earlier``."""
    before: dict[str, float | int]
    """The measure of the model before it: value, low, high, n."""
    after: dict[str, float | int]
    improvement: float
    """Of the measure, towards what is better."""
    verdict: str
    """Of the paired test."""
    measures: dict[str, float]
    """Every measure of the new model."""
    kl: float | None
    """To its reference, in nats an answer."""
    guards: list[dict[str, Any]] = field(default_factory=list)
    stopped: str = ""
    """Why its training ended early."""
    calls: int = 0
    cost: float = 0.0


def improvement(before: float, after: float, better: str) -> float:
    return before - after if better == "lower" else after - before


def why_stop(done: Sequence[Round], least: float) -> str:
    """Why the last of these rounds is the last of all; empty where nothing speaks against another."""
    last = done[-1]
    guards = [fired["guard"] for fired in last.guards if fired["action"] == "stop"]
    if guards:
        return f"in round {last.number} the guard {' and '.join(guards)} ended the training"
    if last.improvement < least:
        return f"round {last.number} improved by {last.improvement:+.3g}, under {least:g}"
    return ""


def best_round(done: Sequence[Round], better: str) -> int:
    """Its number, 0 being the model that it began with; of equals the earlier one."""
    if not done:
        return 0
    values = [done[0].before["value"], *(one.after["value"] for one in done)]
    wanted = min(values) if better == "lower" else max(values)
    return values.index(wanted)


def next_ratio(last: Round, limits: Ratio, least: float, left: float | None = None, rounds: int = 1) -> float:
    """The share of the prompts that the next round answers anew.

    New answers are worth their price where the last ones improved the model, and where the model has moved so far that
    older answers are not its own. The share goes half of the way to what that asks for, so that one lucky round decides
    little. ``left`` is how much of the budget is left, in units of what the last round cost, for so many ``rounds``: it is
    never more than that pays for, but for the lower limit."""
    paid = min(1.0, max(0.0, last.improvement / (PAYS * least))) if least > 0 else 1.0
    stale = min(1.0, max(0.0, (last.kl or 0.0) / STALE))
    target = limits.low + (limits.high - limits.low) * max(paid, stale)
    wanted = (last.ratio + target) / 2
    if left is not None:
        wanted = min(wanted, last.ratio * left / max(1, rounds))
    return min(limits.high, max(limits.low, wanted))
