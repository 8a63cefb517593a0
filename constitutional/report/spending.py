"""What a run cost, by role and model, and how fast its calls were answered: two passes over the ledger in SQLite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from constitutional.ledger import LedgerView

FINE = 2_000
"""Buckets of the first count; pauses of more than ``PAUSE`` of them are left out, and the rest made ``POINTS``."""
PAUSE, POINTS = 40, 48


class Role(NamedTuple):
    role: str
    model: str
    calls: int
    prompt: int
    completion: int
    cached: int
    cost: float
    seconds: float
    """All calls together; they ran beside each other."""


class Moment(NamedTuple):
    """``at`` and ``width`` are seconds of working time since the first call."""

    at: float
    width: float
    calls: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Spending:
    roles: tuple[Role, ...]
    moments: tuple[Moment, ...]
    worked: float
    """Seconds in which calls were answered, pauses left out."""

    @property
    def calls(self) -> int:
        return sum(role.calls for role in self.roles)

    @property
    def tokens(self) -> tuple[int, int]:
        return sum(role.prompt for role in self.roles), sum(role.completion for role in self.roles)

    @property
    def cost(self) -> float:
        return sum(role.cost for role in self.roles)


def spending(view: LedgerView) -> Spending:
    rows = list(
        view.rows(
            "SELECT role, model, count(*), sum(prompt_tokens), sum(completion_tokens), sum(cached_tokens), sum(cost),"
            " sum(seconds), min(at), max(at) FROM calls GROUP BY role, model ORDER BY role, model"
        )
    )
    roles = tuple(Role(*row[:8]) for row in rows)
    if not rows:
        return Spending(roles, (), 0.0)
    first, last = min(row[8] for row in rows), max(row[9] for row in rows)
    width = max((last - first) / FINE, 1e-3)
    counts: dict[int, tuple[int, int]] = {
        place: (calls, tokens)
        for place, calls, tokens in view.rows(
            "SELECT CAST((at - ?) / ? AS INTEGER) AS place, count(*), sum(completion_tokens) FROM calls GROUP BY place",
            first,
            width,
        )
    }
    places = _without_pauses(sorted(counts))
    whole = max(places.values()) + 1
    step = max(1, -(-whole // POINTS))
    calls, tokens = [0] * -(-whole // step), [0] * -(-whole // step)
    for place, (count, written) in counts.items():
        calls[places[place] // step] += count
        tokens[places[place] // step] += written
    moments = tuple(
        Moment(at * step * width, min(step, whole - at * step) * width, calls[at], tokens[at])
        for at in range(len(calls))
    )
    return Spending(roles, moments, whole * width)


def _without_pauses(places: list[int]) -> dict[int, int]:
    """Bucket → bucket of working time."""
    found, shift, before = {}, 0, places[0]
    for place in places:
        if place - before > PAUSE:
            shift += place - before - 1
        found[place] = place - shift
        before = place
    return found
