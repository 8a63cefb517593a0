"""One prompt, one coroutine: from the question to the labels, with no barrier in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from constitutional.core.constitution import Constitution
from constitutional.core.enforcement import violators
from constitutional.core.records import Prompt, Reason, Reject, Ruling, Trace
from constitutional.core.stats.calibration import Calibrator
from constitutional.errors import (
    LedgerError,
    MissingExtraError,
    ModelError,
    ModelUnavailableError,
    RunStoppedError,
)
from constitutional.models.groups import together
from constitutional.pipeline.arena import LiveArena
from constitutional.pipeline.pair import pair_up
from constitutional.pipeline.respond import respond
from constitutional.pipeline.revise import DrawnRevisions, ReviseLoop, Revises, Revising
from constitutional.roles import Critic, Filter, Judge, Model, Pairing, Reviser, Scorer, settled

T = TypeVar("T")
ENDS_THE_RUN = (RunStoppedError, LedgerError, ModelUnavailableError, MissingExtraError)


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays which role in a run, and the settings that they share."""

    policy: Model
    critic: Critic
    reviser: Reviser
    refuser: Reviser | None
    """Writes a refusal where the constitution asks for one in place of an unresolved answer."""
    judge: Judge
    scorer: Scorer
    pairing: Pairing
    filters: tuple[Filter, ...]
    constitution: Constitution
    strategy: str
    responses: int = 1
    rounds: int = 1
    min_margin: float = 0.0
    system: str | None = None
    seed: int = 0
    calibrator: Calibrator | None = None
    """From the judge card: what the judge says → how often it is right."""


async def trace_prompt(prompt: Prompt, cast: Cast) -> Trace:
    """Everything that happens to one prompt. What goes wrong with it becomes a reject that says why; only what ends
    the whole run is raised."""
    try:
        return await _trace(prompt, cast)
    except ENDS_THE_RUN:
        raise
    except ModelError as error:
        return Trace(prompt, rejects=(Reject(prompt.id, error.reason, str(error), failure=True),))
    except Exception as error:
        detail = f"{type(error).__name__}: {error}"
        return Trace(prompt, rejects=(Reject(prompt.id, Reason.PLUGIN_FAILED, detail[:500], failure=True),))


async def _trace(prompt: Prompt, cast: Cast) -> Trace:
    sampled = await respond(prompt, cast.policy, cast.responses, cast.system, cast.seed)
    answers = [response for response in sampled if response.text]
    empty = tuple(
        Reject(prompt.id, Reason.EMPTY_RESPONSE, f"{response.id}: the model answered with nothing", not answers)
        for response in sampled
        if not response.text
    )
    if not answers:
        return Trace(prompt, rejects=empty)
    loop = _revising(cast)
    revised = await together(loop.revise(prompt, answer) for answer in answers)
    responses = (*answers, *_all(revised, lambda state: state.responses))
    critiques = _all(revised, lambda state: state.critiques)
    broken = violators(cast.constitution, critiques, responses)
    unkept = tuple(
        Reject(prompt.id, revision.note, f"{revision.response_id}, round {revision.round}, {revision.principle_id}")
        for state in revised
        for revision in state.revisions
        if revision.note
    )
    final = {state.initial.id: state.final for state in revised}
    arena = LiveArena(prompt, tuple(answers), final, broken, cast.constitution, cast.judge, cast.scorer, cast.seed)
    try:
        rulings: tuple[Ruling, ...] = tuple(await settled(cast.pairing.pair(arena)))
    except BaseException:
        await arena.aclose()
        raise
    trace = Trace(
        prompt,
        responses=responses,
        critiques=critiques,
        revisions=_all(revised, lambda state: state.revisions),
        scores=arena.scores,
        judgements=arena.judgements,
        rulings=rulings,
        rejects=empty + unkept,
        unresolved=tuple(sorted(broken)),
    )
    return await pair_up(trace, rulings, arena.values, cast.strategy, cast.min_margin, cast.filters, cast.calibrator)


def _revising(cast: Cast) -> Revises:
    if cast.constitution.mode == "draw":
        return DrawnRevisions(cast.critic, cast.reviser, cast.constitution, cast.rounds, cast.seed)
    return ReviseLoop(cast.critic, cast.reviser, cast.constitution, cast.rounds, cast.refuser)


def _all(states: list[Revising], part: Callable[[Revising], list[T]]) -> tuple[T, ...]:
    return tuple(item for state in states for item in part(state))
