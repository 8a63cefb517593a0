"""responses → critiques → revisions"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from constitutional.core import hygiene
from constitutional.core.constitution import Constitution, Principle, Tier
from constitutional.core.digest import random_for
from constitutional.core.enforcement import attempts, draw, guarded
from constitutional.core.records import Critique, Prompt, Reason, Response, Revision
from constitutional.core.refusals import is_refusal
from constitutional.models.groups import leader_first
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
    """Verdicts on the texts of one prompt. Each principle is asked about each text once, and only of that very text."""

    def __init__(self, critic: Critic, prompt: Prompt, state: Revising) -> None:
        self._critic = critic
        self._prompt = prompt
        self._state = state
        self._known: dict[tuple[str, str], Critique] = {}

    async def check(self, response: Response, principles: Sequence[Principle]) -> list[Critique]:
        """In the order of the principles, on a shared prefix."""
        new = [principle for principle in principles if (response.id, principle.id) not in self._known]
        found = await leader_first([functools.partial(self._ask, response, principle) for principle in new])
        self._state.critiques.extend(found)
        self._known |= {(response.id, critique.principle_id): critique for critique in found}
        return [self._known[response.id, principle.id] for principle in principles]

    async def violated(self, response: Response, principles: Sequence[Principle]) -> list[Principle]:
        """Those that the text violates."""
        found = await self.check(response, principles)
        return [principle for principle, critique in zip(principles, found, strict=True) if critique.violates]

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
        for (tier, principle), critique in zip(applicable, found, strict=True):
            if not critique.violates:
                continue
            (critique,) = await checks.check(state.final, [principle])
            if critique.violates:
                critique = await self._mend(state, checks, prompt, tier, principle, critique)
            if critique.violates and tier.force == "hard" and self._refuser is not None:
                await self._refuse(self._refuser, state, checks, prompt, tier, principle, critique)
                return state
        return state

    async def _mend(
        self, state: Revising, checks: _Checks, prompt: Prompt, tier: Tier, principle: Principle, critique: Critique
    ) -> Critique:
        """The verdict on the text as it is left."""
        tried: set[str] = set()
        for _ in range(attempts(tier.force, self._rounds)):
            number = len(state.revisions) + 1
            rewrite: Rewrite = await settled(self._reviser.revise(prompt, state.final, principle, critique, number))
            text, cut = hygiene.cleaned(rewrite.text)
            if text in tried:
                break
            tried.add(text)
            note = _fault(text, state.final.text, tier)
            if note:
                state.drop(rewrite, principle, note)
                continue
            made = state.candidate(replace(rewrite, text=text))
            if await self._worsened(state, checks, prompt, tier, principle, made):
                state.drop(rewrite, principle, Reason.WORSENED)
                continue
            state.keep(made, principle, cut)
            (critique,) = await checks.check(made, [principle])
            if not critique.violates:
                break
        return critique

    async def _worsened(
        self, state: Revising, checks: _Checks, prompt: Prompt, tier: Tier, principle: Principle, made: Response
    ) -> bool:
        """Whether a candidate violates a principle of its tier or above which the text before it upheld. The verdicts on
        that text are of itself: what an earlier revision broke is not held against this one."""
        guards = [principle, *(other for other in guarded(self._constitution, prompt.tags, tier) if other != principle)]
        suspects = [other for other in await checks.violated(made, guards) if other != principle]
        return len(await checks.violated(state.final, suspects)) < len(suspects)

    async def _refuse(
        self,
        refuser: Reviser,
        state: Revising,
        checks: _Checks,
        prompt: Prompt,
        tier: Tier,
        principle: Principle,
        critique: Critique,
    ) -> None:
        number = len(state.revisions) + 1
        rewrite: Rewrite = await settled(refuser.revise(prompt, state.final, principle, critique, number))
        if not rewrite.text.strip():
            state.drop(rewrite, principle, Reason.EMPTY_REVISION)
            return
        made = state.candidate(rewrite)
        if await checks.violated(made, guarded(self._constitution, prompt.tags, tier)):
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
            (critique,) = await checks.check(state.final, [principle])
            rewrite: Rewrite = await settled(self._reviser.revise(prompt, state.final, principle, critique, number))
            text, cut = hygiene.cleaned(rewrite.text)
            note = hygiene.fault(text, state.final.text)
            if note:
                state.drop(rewrite, principle, note)
            else:
                state.keep(state.candidate(replace(rewrite, text=text)), principle, cut)
        return state


def _fault(text: str, before: str, tier: Tier) -> str | None:
    """Why a rewrite is not kept. To refuse may be right under a hard principle; elsewhere it is the easy way out."""
    fault = hygiene.fault(text, before)
    if fault is None and tier.force != "hard" and is_refusal(text) and not is_refusal(before):
        return Reason.REFUSED
    return fault
