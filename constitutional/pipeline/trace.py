"""One prompt, one coroutine: from the question to the labels, with no barrier in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from constitutional.core.constitution import Constitution
from constitutional.core.enforcement import violators
from constitutional.core.records import Prompt, Reason, Reject, Response, Revision, Ruling, Trace
from constitutional.core.stats.calibration import Calibrator
from constitutional.errors import (
    LedgerError,
    MissingExtraError,
    ModelError,
    ModelUnavailableError,
    RunStoppedError,
    blame,
)
from constitutional.models.groups import together
from constitutional.pipeline.arena import LiveArena, Recall
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
    return await _or_why_not(prompt, _trace(prompt, cast))


async def trace_pairs(answered: Trace, cast: Cast, recall: Recall | None = None) -> Trace:
    """The same from the second half on: of a prompt that is answered."""
    return await _or_why_not(answered.prompt, pair_answers(answered, cast, recall))


async def _or_why_not(prompt: Prompt, making: Awaitable[Trace]) -> Trace:
    try:
        return await making
    except ENDS_THE_RUN:
        raise
    except ModelError as error:
        return Trace(prompt, rejects=(Reject(prompt.id, error.reason, str(error), failure=True),))
    except Exception as error:
        return Trace(prompt, rejects=(Reject(prompt.id, Reason.PLUGIN_FAILED, blame(error)[:500], failure=True),))


async def _trace(prompt: Prompt, cast: Cast) -> Trace:
    answered = await answer(prompt, cast)
    return await pair_answers(answered, cast) if answered.responses else answered


async def answer(prompt: Prompt, cast: Cast) -> Trace:
    """The first half: responses, critiques, revisions, and why some were dropped. What follows of it depends on nothing
    else, so that another strategy may begin here."""
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
    revisions = _all(revised, lambda state: state.revisions)
    return Trace(
        prompt,
        responses=responses,
        critiques=critiques,
        revisions=revisions,
        rejects=empty + unkept(prompt.id, revisions),
        unresolved=tuple(sorted(violators(cast.constitution, critiques, responses))),
    )


async def pair_answers(answered: Trace, cast: Cast, recall: Recall | None = None) -> Trace:
    """The second half: the strategy asks, and its rulings become pairs or rejects."""
    prompt = answered.prompt
    sampled = tuple(response for response in answered.responses if response.round == 0)
    broken = violators(cast.constitution, answered.critiques, answered.responses)
    arena = LiveArena(
        prompt, sampled, final_of(answered), broken, cast.constitution, cast.judge, cast.scorer, cast.seed, recall
    )
    try:
        proposed: tuple[Ruling | Reject, ...] = tuple(await settled(cast.pairing.pair(arena)))
        rulings = tuple(item for item in proposed if isinstance(item, Ruling))
        trace = replace(answered, scores=arena.scores, judgements=arena.judgements, rulings=rulings)
        values = arena.values
    finally:
        await arena.aclose()
    return await pair_up(trace, proposed, values, cast.strategy, cast.min_margin, cast.filters, cast.calibrator)


def final_of(answered: Trace) -> dict[str, Response]:
    """Sampled response id → where revision left it."""
    responses = {response.id: response for response in answered.responses}
    revised = {item.response_id: item.revised_id for item in answered.revisions if item.revised_id is not None}
    final = {}
    for name, response in responses.items():
        if response.round == 0:
            while name in revised:
                name = revised[name]
            final[response.id] = responses[name]
    return final


def answered_part(trace: Trace) -> Trace:
    """A finished trace as its first half left it."""
    empty = tuple(reject for reject in trace.rejects if reject.reason == Reason.EMPTY_RESPONSE)
    rejects = empty + unkept(trace.prompt.id, trace.revisions)
    return replace(trace, scores=(), judgements=(), rulings=(), pairs=(), rejects=rejects)


def not_storable(prompt: Prompt, error: Exception) -> Trace:
    """In place of a trace in which a plugin put what JSON or UTF-8 cannot hold."""
    detail = f"a plugin's record cannot be stored: {type(error).__name__}: {error}"
    return Trace(prompt, rejects=(Reject(prompt.id, Reason.PLUGIN_FAILED, detail[:500], failure=True),))


def unkept(prompt_id: str, revisions: Iterable[Revision]) -> tuple[Reject, ...]:
    """The revisions that were dropped, and why."""
    return tuple(
        Reject(prompt_id, revision.note, f"{revision.response_id}, round {revision.round}, {revision.principle_id}")
        for revision in revisions
        if revision.note
    )


def _revising(cast: Cast) -> Revises:
    if cast.constitution.mode == "draw":
        return DrawnRevisions(cast.critic, cast.reviser, cast.constitution, cast.rounds, cast.seed)
    return ReviseLoop(cast.critic, cast.reviser, cast.constitution, cast.rounds, cast.refuser)


def _all(states: list[Revising], part: Callable[[Revising], list[T]]) -> tuple[T, ...]:
    return tuple(item for state in states for item in part(state))
