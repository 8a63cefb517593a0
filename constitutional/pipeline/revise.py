"""responses → critiques → revisions"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Protocol

from constitutional.core import hygiene
from constitutional.core.constitution import Constitution, Principle, Tier
from constitutional.core.digest import random_for
from constitutional.core.enforcement import attempts, draw, guarded, worsened
from constitutional.core.records import Critique, Prompt, Reason, Response, Revision
from constitutional.pipeline.groups import leader_first
from constitutional.roles import Critic, Reviser, Rewrite, settled


class Revises(Protocol):
    async def revise(self, prompt: Prompt, initial: Response) -> Revising: ...


@dataclass(slots=True)
class Revising:
    """What became of one response."""

    initial: Response
    final: Response
    responses: list[Response] = field(default_factory=list)
    """Every candidate, whether it was kept or not."""
    critiques: list[Critique] = field(default_factory=list)
    revisions: list[Revision] = field(default_factory=list)
    violated: dict[str, set[str]] = field(default_factory=dict)
    """Response id → the principles that it was found to violate."""

    def candidate(self, rewrite: Rewrite) -> Response:
        """The rewritten text as a response of its own: ``17r2`` is the second candidate for ``17``."""
        current, number = self.final, len(self.revisions) + 1
        made = Response(
            f"{self.initial.id}r{number}", current.prompt_id, rewrite.text, rewrite.model or current.model,
            current.sample, rewrite.call, rewrite.finish, number, current.id,
        )  # fmt: skip
        self.responses.append(made)
        return made

    def keep(self, made: Response, principle: Principle, cut: tuple[str, ...] = (), *, refusal: bool = False) -> None:
        revision = Revision(self.final.id, made.id, principle.id, made.round, made.call, "", cut, refusal)
        self.revisions.append(revision)
        self.final = made

    def drop(self, rewrite: Rewrite, principle: Principle, note: str) -> None:
        number = len(self.revisions) + 1
        self.revisions.append(Revision(self.final.id, None, principle.id, number, rewrite.call, note))


class _Checks:
    """Critiques of one prompt, recorded with the response that they are of."""

    def __init__(self, critic: Critic, prompt: Prompt, state: Revising) -> None:
        self._critic = critic
        self._prompt = prompt
        self._state = state

    async def check(self, response: Response, principles: list[Principle]) -> dict[str, Critique]:
        """Principle id → critique, on a shared prefix."""
        found = await leader_first([functools.partial(self._ask, response, principle) for principle in principles])
        self._state.critiques.extend(found)
        violated = {critique.principle_id for critique in found if critique.violates}
        self._state.violated.setdefault(response.id, set()).update(violated)
        return {critique.principle_id: critique for critique in found}

    async def _ask(self, response: Response, principle: Principle) -> Critique:
        return await settled(self._critic.critique(self._prompt, response, principle))


class ReviseLoop:
    """All principles are checked at once, on a shared prefix. Then each violated one is mended, in order of priority:
    checked again on the text as it has become, revised, and the revision checked on this principle and on all of its own
    and of higher tiers. A revision that breaks one of those which the text upheld is dropped."""

    def __init__(
        self,
        critic: Critic,
        reviser: Reviser,
        constitution: Constitution,
        rounds: int,
        refuser: Reviser | None = None,
    ) -> None:
        """``refuser`` writes a refusal in place of an answer that keeps violating a hard principle."""
        self._critic = critic
        self._reviser = reviser
        self._refuser = refuser
        self._constitution = constitution
        self._rounds = rounds

    async def revise(self, prompt: Prompt, initial: Response) -> Revising:
        state = Revising(initial, initial)
        if self._rounds == 0:
            return state
        checks = _Checks(self._critic, prompt, state)
        applicable = self._constitution.applicable(prompt.tags)
        found = await checks.check(initial, [principle for _, principle in applicable])
        for tier, principle in applicable:
            critique = found[principle.id]
            if critique.violates and state.final.id != initial.id:
                critique = (await checks.check(state.final, [principle]))[principle.id]
            if critique.violates:
                await self._mend(state, checks, prompt, tier, principle, critique)
            if tier.force == "hard" and self._refuser and principle.id in state.violated[state.final.id]:
                await self._refuse(state, checks, prompt, tier, principle, critique, self._refuser)
                return state
        return state

    async def _mend(
        self, state: Revising, checks: _Checks, prompt: Prompt, tier: Tier, principle: Principle, critique: Critique
    ) -> None:
        tried: set[str] = set()
        for _ in range(attempts(tier.force, self._rounds)):
            current = state.final
            number = len(state.revisions) + 1
            rewrite: Rewrite = await settled(self._reviser.revise(prompt, current, principle, critique, number))
            text, cut = hygiene.cleaned(rewrite.text)
            if text in tried:
                return
            tried.add(text)
            note = _fault(text, current.text, tier)
            if note:
                state.drop(rewrite, principle, note)
                continue
            made = state.candidate(_with_text(rewrite, text))
            broken = await self._check(state, checks, prompt, tier, principle, made)
            if broken:
                state.drop(rewrite, principle, Reason.WORSENED)
                continue
            state.keep(made, principle, cut)
            critique = next(c for c in reversed(state.critiques) if c.principle_id == principle.id)
            if not critique.violates:
                return

    async def _check(
        self, state: Revising, checks: _Checks, prompt: Prompt, tier: Tier, principle: Principle, made: Response
    ) -> tuple[str, ...]:
        """Check a candidate; what it breaks that the text before it upheld."""
        others = [other for other in guarded(self._constitution, prompt.tags, tier) if other.id != principle.id]
        await checks.check(made, [principle, *others])
        before = state.violated[state.final.id]
        broken = worsened(before | {principle.id}, state.violated[made.id])
        checked = {principle.id, *(other.id for other in others)}
        state.violated[made.id] |= before - checked
        return broken

    async def _refuse(
        self,
        state: Revising,
        checks: _Checks,
        prompt: Prompt,
        tier: Tier,
        principle: Principle,
        critique: Critique,
        refuser: Reviser,
    ) -> None:
        rewrite: Rewrite = await settled(
            refuser.revise(prompt, state.final, principle, critique, len(state.revisions) + 1)
        )
        if not rewrite.text.strip():
            state.drop(rewrite, principle, Reason.EMPTY_REVISION)
            return
        made = state.candidate(rewrite)
        await self._check(state, checks, prompt, tier, principle, made)
        if state.violated[made.id] & {item.id for item in guarded(self._constitution, prompt.tags, tier)}:
            state.drop(rewrite, principle, Reason.UNRESOLVED)
        else:
            state.keep(made, principle, refusal=True)


class DrawnRevisions:
    """As published for Constitutional AI: in each round one principle, drawn with replacement; its critique request, then
    its revision request; the revision replaces the answer and the next round begins from the plain dialogue. The rounds go
    on whatever a critique finds."""

    def __init__(self, critic: Critic, reviser: Reviser, constitution: Constitution, rounds: int, seed: int) -> None:
        self._critic = critic
        self._reviser = reviser
        self._constitution = constitution
        self._rounds = rounds
        self._seed = seed

    async def revise(self, prompt: Prompt, initial: Response) -> Revising:
        state = Revising(initial, initial)
        checks = _Checks(self._critic, prompt, state)
        for number in range(1, self._rounds + 1):
            random = random_for(self._seed, prompt.id, f"draw:{initial.id}:{number}")
            drawn = draw(self._constitution, prompt.tags, random)
            if drawn is None:
                return state
            principle = drawn[1]
            critique = (await checks.check(state.final, [principle]))[principle.id]
            rewrite: Rewrite = await settled(self._reviser.revise(prompt, state.final, principle, critique, number))
            text, cut = hygiene.cleaned(rewrite.text)
            note = hygiene.fault(text, state.final.text)
            if note:
                state.drop(rewrite, principle, note)
            else:
                state.keep(state.candidate(_with_text(rewrite, text)), principle, cut)
        return state


def _with_text(rewrite: Rewrite, text: str) -> Rewrite:
    return Rewrite(text, rewrite.call, rewrite.model, rewrite.finish)


def _fault(text: str, before: str, tier: Tier) -> str | None:
    """Why a rewrite is not kept. To refuse may be right under a hard principle; elsewhere it is the easy way out."""
    if tier.force != "hard" and hygiene.is_refusal(text) and not hygiene.is_refusal(before):
        return Reason.REFUSED
    return hygiene.fault(text, before)
