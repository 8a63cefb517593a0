"""Everything that is asked: each model answers every prompt, one model after another; then critic, scorers and judge look
at the answers. Through the ledger, so that what was asked before costs nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from constitutional.config.run import RunConfig
from constitutional.core.records import Prompt, Reject, Response, Trace
from constitutional.errors import RunStoppedError
from constitutional.evaluation.contenders import Contender
from constitutional.evaluation.measures import Parts
from constitutional.evaluation.perplexity import surprises
from constitutional.evaluation.ready import Ready
from constitutional.evaluation.weigh import Weighing, rejected, weigh_all
from constitutional.models.base import ChatModel, SharedEngineModel
from constitutional.pipeline.bind import Bind
from constitutional.pipeline.models import Models
from constitutional.pipeline.progress import Progress
from constitutional.pipeline.respond import respond
from constitutional.pipeline.trace import ENDS_THE_RUN


@dataclass(frozen=True, slots=True)
class Asked:
    """Everything that was asked, and what came of it."""

    traces: list[Trace]
    surprises: dict[str, Parts]
    """Model → how surprising each passage of the reference text is to it."""


async def ask_all(ready: Ready, weigher: Weighing, bind: Callable[[RunConfig], Bind], progress: Progress) -> Asked:
    """One model after another, so that two engines of this process are never up at once; the judge last. What follows
    on the same engine (a policy, an adapter trained from it, the policy again as the judge) finds it running."""
    answers: dict[str, Sequence[tuple[Response, ...] | Reject]] = {}
    surprised: dict[str, Parts] = {}
    opened = [Models(one.config, ready.host, ready.settings.where) for one in ready.contenders]
    engines = [_engine(models.adapter("policy")) for models in opened]
    after = [*({engine} for engine in engines[1:]), set(map(_engine, weigher.assembly.models.adapters.values()))]
    async with contextlib.AsyncExitStack() as up:
        for one, models, engine, following in zip(ready.contenders, opened, engines, after, strict=True):
            up.push_async_callback(models.aclose)
            bound = bind(one.config)
            own = await answers_of(one, ready.prompts, models, bound, progress)
            if own and all(isinstance(given, Reject) for given in own):
                first = next(given for given in own if isinstance(given, Reject))
                raise RunStoppedError(f"{one.name} answered none of the {len(own):,} prompts: {first.detail}")
            surprised[one.name] = await surprises(models, bound, ready.passages)
            answers[one.name] = own
            if engine is None or engine not in following:
                await up.aclose()
        traces = await weigh_all(weigher, ready.prompts, answers, ready.roles.in_flight, progress)
    return Asked(traces, surprised)


def _engine(adapter: ChatModel) -> object | None:
    return adapter.engine if isinstance(adapter, SharedEngineModel) else None


async def answers_of(
    contender: Contender, prompts: Sequence[Prompt], models: Models, bind: Bind, progress: Progress
) -> list[tuple[Response, ...] | Reject]:
    """Its answers to every prompt, or why there are none."""
    policy = bind("policy", models)
    found: list[tuple[Response, ...] | Reject] = [()] * len(prompts)

    async def work(place: int, prompt: Prompt) -> None:
        try:
            config = contender.config
            sampled = await respond(prompt, policy, config.responses, config.system, config.seed)
            found[place] = tuple(replace(answer, id=f"{contender.name}:{answer.id}") for answer in sampled)
        except ENDS_THE_RUN:
            raise
        except Exception as error:
            found[place] = failed = rejected(prompt, error, contender.name)
            progress.failures[failed.reason] += 1

    progress.begin(f"{contender.name} answers", len(prompts), models.throttles)
    await progress.each(prompts, work, contender.config.in_flight)
    return found
