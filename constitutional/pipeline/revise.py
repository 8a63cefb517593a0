"""responses → critiques → revisions"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

from constitutional.core.constitution import Constitution, Principle, Tier
from constitutional.core.records import Critique, Prompt, Reason, Response, Revision
from constitutional.pipeline.groups import leader_first
from constitutional.roles import Critic, Reviser, Rewrite, settled


@dataclass(slots=True)
class Revising:
    """What became of one response."""

    initial: Response
    final: Response
    responses: list[Response] = field(default_factory=list)
    critiques: list[Critique] = field(default_factory=list)
    revisions: list[Revision] = field(default_factory=list)
    violated: dict[str, set[str]] = field(default_factory=dict)
    """Response id → the principles that it was found to violate."""

    def broken_tier(self, response: Response, constitution: Constitution) -> str | None:
        """The highest hard tier of which this response was found to violate a principle."""
        found = self.violated.get(response.id, set())
        hard = (tier.id for tier, principle in constitution if tier.force == "hard" and principle.id in found)
        return next(hard, None)


class ReviseLoop:
    """All principles are checked at once, on a shared prefix. Then, in order of priority, each violated one is revised
    and checked again: hard and strong ones up to ``rounds`` times, a soft one once. At the end the hard ones are checked
    on the final text, since a later revision may have broken what an earlier one had mended."""

    def __init__(self, critic: Critic, reviser: Reviser, constitution: Constitution, rounds: int) -> None:
        self._critic = critic
        self._reviser = reviser
        self._constitution = constitution
        self._rounds = rounds

    async def revise(self, prompt: Prompt, initial: Response) -> Revising:
        state = Revising(initial, initial)
        if self._rounds == 0:
            return state
        applicable = self._constitution.applicable(prompt.tags)
        found = await self._check(state, prompt, initial, [principle for _, principle in applicable])
        for (tier, principle), critique in zip(applicable, found, strict=True):
            if critique.violates:
                await self._mend(state, prompt, tier, principle, critique)
        if state.final.id != initial.id:
            checked = {critique.principle_id for critique in state.critiques if critique.response_id == state.final.id}
            hard = [p for tier, p in applicable if tier.force == "hard" and p.id not in checked]
            await self._check(state, prompt, state.final, hard)
        return state

    async def _mend(
        self, state: Revising, prompt: Prompt, tier: Tier, principle: Principle, critique: Critique
    ) -> None:
        for attempt in range(self._rounds if tier.force != "soft" else 1):
            current = state.final
            round = current.round + 1
            rewrite: Rewrite = await settled(self._reviser.revise(prompt, current, principle, critique, round))
            note = _unusable(rewrite.text, current.text)
            if note:
                state.revisions.append(Revision(current.id, None, principle.id, round, rewrite.call, note))
                return
            revised = Response(
                f"{state.initial.id}r{round}", prompt.id, rewrite.text, rewrite.model or current.model, current.sample,
                rewrite.call, rewrite.finish, round, current.id,
            )  # fmt: skip
            state.responses.append(revised)
            state.revisions.append(Revision(current.id, revised.id, principle.id, round, rewrite.call))
            state.final = revised
            last = attempt + 1 == self._rounds
            if tier.force == "soft" or (last and tier.force != "hard"):
                return
            (critique,) = await self._check(state, prompt, revised, [principle])
            if not critique.violates:
                return

    async def _check(
        self, state: Revising, prompt: Prompt, response: Response, principles: list[Principle]
    ) -> list[Critique]:
        found = await leader_first(
            [functools.partial(self._critique, prompt, response, principle) for principle in principles]
        )
        state.critiques.extend(found)
        violated = {critique.principle_id for critique in found if critique.violates}
        state.violated.setdefault(response.id, set()).update(violated)
        return found

    async def _critique(self, prompt: Prompt, response: Response, principle: Principle) -> Critique:
        return await settled(self._critic.critique(prompt, response, principle))


def _unusable(text: str, before: str) -> str:
    """Why a rewrite is not kept."""
    if not text.strip():
        return Reason.EMPTY_REVISION
    return Reason.NO_OP_REVISION if text.split() == before.split() else ""
