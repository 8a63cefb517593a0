"""``panel``: several judges or models, one verdict: a mean, a majority, or weights that were learned from labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from constitutional.builtin.panel import PanelOptions
from constitutional.core.constitution import Principle
from constitutional.core.records import Judgement, Member, Prompt, Response
from constitutional.core.ruling import ROUNDING
from constitutional.core.stacking import stacked
from constitutional.models.groups import together
from constitutional.roles import Judge, Setup, settled

Vote = Literal["soft", "majority", "weights"]


class PanelJudgeOptions(PanelOptions):
    vote: Vote = Field(
        default="soft",
        description="`soft`: the weighted mean of P; `majority`: the weighted share of members; `weights`: of log-odds.",
    )


class PanelJudge:
    """A member that abstains is left out of both orders; where all do, so does the panel. What each said stays in the
    judgement's ``members``: judges that disagree are the pairs worth a person's look."""

    def __init__(self, setup: Setup) -> None:
        self._options: PanelJudgeOptions = setup.options
        self._judges: tuple[Judge, ...] = self._options.made(setup, "judge")
        self._names = self._options.names()
        self._weights = self._options.weighted()

    async def judge(self, prompt: Prompt, a: Response, b: Response, principle: Principle) -> Judgement:
        async def ask(judge: Judge) -> Judgement:
            return await settled(judge.judge(prompt, a, b, principle))

        judged = await together(ask(judge) for judge in self._judges)
        members = tuple(Member(name, one.p) for name, one in zip(self._names, judged, strict=True))
        said = [(one, weight) for one, weight in zip(judged, self._weights, strict=True) if one.p is not None]
        weights = [weight for _, weight in said]
        p_ab, p_ba = (
            combined([one.p_ab for one, _ in said], weights, self._options.vote),
            combined([one.p_ba for one, _ in said], weights, self._options.vote),
        )
        methods = "+".join(dict.fromkeys(one.method for one, _ in said)) or "none"
        calls = tuple(dict.fromkeys(call for one in judged for call in one.calls))
        method = f"panel:{self._options.vote}({methods})"
        return Judgement.of(a, b, principle.id, p_ab, p_ba, method, calls, _count(members), members)


def combined(ps: Sequence[float | None], weights: Sequence[float], vote: Vote) -> float | None:
    """The panel's P in one order. A majority counts a tie half for either side; its P is the share of votes."""
    read = [(p, weight) for p, weight in zip(ps, weights, strict=True) if p is not None and weight > 0]
    total = sum(weight for _, weight in read)
    if not read:
        return None
    if vote == "weights":
        return stacked([p for p, _ in read], [weight for _, weight in read])
    if vote == "majority":
        read = [(_side(p), weight) for p, weight in read]
    return sum(p * weight for p, weight in read) / total


def _count(members: Sequence[Member]) -> str:
    read = [member.p for member in members if member.p is not None]
    if not read:
        return "every member abstained"
    for_a, for_b = (sum(_side(p) == side for p in read) for side in (1.0, 0.0))
    tied, silent = len(read) - for_a - for_b, len(members) - len(read)
    parts = ((for_a, "for A"), (for_b, "for B"), (tied, "tied"), (silent, "abstained"))
    return ", ".join(f"{count} {what}" for count, what in parts if count)


def _side(p: float) -> float:
    """1 for A, 0 for B, one half for a tie."""
    return 0.5 if abs(p - 0.5) <= ROUNDING else float(p > 0.5)
