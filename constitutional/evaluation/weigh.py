"""Critic, scorers and judge look at the answers of all models to a prompt."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from constitutional.config.run import PartConfig, RunConfig
from constitutional.core.constitution import Constitution, Mode, Principle
from constitutional.core.records import Critique, Prompt, Reason, Reject, Response, Ruling, Score, Trace
from constitutional.core.ruling import TIED
from constitutional.errors import ModelError, blame
from constitutional.models.groups import leader_first, together
from constitutional.pipeline.arena import LiveArena
from constitutional.pipeline.bind import Bind
from constitutional.pipeline.progress import Progress
from constitutional.pipeline.setup import Assembly, assemble
from constitutional.pipeline.trace import ENDS_THE_RUN
from constitutional.plugins import PluginHost
from constitutional.roles import Scorer, settled

Answers = dict[str, tuple[Response, ...]]
"""Contender's name → its answers to one prompt."""
EMPTY = "the answer is empty"


@dataclass(frozen=True, slots=True)
class Weighing:
    """Critic, judge and scorers, ready to be asked."""

    assembly: Assembly
    scorers: Mapping[str, Scorer]
    """Measure → the scorer that it comes from."""

    async def weigh(self, prompt: Prompt, answers: Answers, failed: Sequence[Reject]) -> Trace:
        """What goes wrong with one prompt costs its verdicts; only what ends everything is raised."""
        responses = tuple(answer for own in answers.values() for answer in own)
        answered = Trace(prompt, responses=responses, rejects=tuple(failed))
        try:
            critiques = await self._critiques(prompt, responses)
            scores = await self._scores(prompt, responses)
            return await self._compared(replace(answered, critiques=critiques, scores=scores), answers)
        except ENDS_THE_RUN:
            raise
        except Exception as error:
            return replace(answered, rejects=(*answered.rejects, rejected(prompt, error, "its verdicts")))

    async def _critiques(self, prompt: Prompt, responses: Sequence[Response]) -> tuple[Critique, ...]:
        """Of answers that say the same the critic is asked once."""
        cast, principles = self.assembly.cast, self._principles(prompt)

        async def ask(response: Response, principle: Principle) -> Critique:
            return await settled(cast.critic.critique(prompt, response, principle))

        first = {response.text: response for response in reversed(responses) if response.text}
        made = await together(
            leader_first([functools.partial(ask, response, principle) for principle in principles])
            for response in first.values()
        )
        by_text = dict(zip(first, made, strict=True))
        return tuple(
            replace(critique, response_id=response.id)
            for response in responses
            for critique in by_text.get(response.text, ())
        )

    async def _scores(self, prompt: Prompt, responses: Sequence[Response]) -> tuple[Score, ...]:
        async def ask(scorer: Scorer, response: Response, principle: Principle) -> Score:
            return await settled(scorer.score(prompt, response, principle))

        found: list[Score] = []
        for measure, scorer in self.scorers.items():
            made = await together(
                leader_first(
                    [functools.partial(ask, scorer, response, principle) for principle in self._principles(prompt)]
                )
                for response in responses
            )
            found += [replace(score, method=measure) for scores in made for score in scores]
        return tuple(found)

    async def _compared(self, trace: Trace, answers: Answers) -> Trace:
        """Every model with every other, answer by answer; the earlier one is ``b``. No violation is a veto here: critic
        and judge are two witnesses."""
        cast, prompt = self.assembly.cast, trace.prompt
        arena = LiveArena(prompt, trace.responses, {}, {}, cast.constitution, cast.judge, cast.scorer, cast.seed)
        games = [(a, b) for before, after in combinations(answers.values(), 2)
                 for a, b in zip(after, before, strict=False)]  # fmt: skip

        async def compare(a: Response, b: Response) -> Ruling:
            return plain_ruling(a, b) or await arena.compare(a, b)

        try:
            rulings = await together(compare(a, b) for a, b in games)
        except BaseException:
            await arena.aclose()
            raise
        return replace(trace, judgements=arena.judgements, rulings=tuple(rulings))

    def _principles(self, prompt: Prompt) -> list[Principle]:
        return [principle for _, principle in self.assembly.constitution.applicable(prompt.tags)]


def plain_ruling(a: Response, b: Response) -> Ruling | None:
    """Where nobody needs to be asked: the same text ties, and an empty one loses."""
    if a.text == b.text:
        return Ruling(a.id, b.id, None, None, abstained_because=TIED)
    if not a.text or not b.text:
        return Ruling(a.id, b.id, 1.0 if a.text else 0.0, None, abstained_because=EMPTY)
    return None


def weighing(
    config: RunConfig,
    scorers: Sequence[PartConfig],
    host: PluginHost,
    where: Path,
    bind: Bind,
    constitution: Constitution,
) -> Weighing:
    """In draw mode, where a critic gives no verdicts, every principle counts as in `all`."""
    mode: Mode | None = "all" if constitution.mode == "draw" else None
    assembly = assemble(verdicts_only(config), host, where, bind, mode, constitution, scorers)
    return Weighing(assembly, dict(zip(score_names(scorers), assembly.scorers, strict=True)))


def verdicts_only(config: RunConfig) -> RunConfig:
    """The built-in critic is not asked for reasons: no measure needs them, and each is a call. Judge cards calibrate
    labels, and here are none."""
    update: dict[str, object] = {"judge_card": None, "accept_bad_judge": False}
    if config.critic.plugin == "llm":
        update["critic"] = config.critic.model_copy(update={"options": {**config.critic.options, "explain": None}})
    return config.model_copy(update=update)


def score_names(scorers: Sequence[PartConfig]) -> list[str]:
    """``score:rules``, and ``score:rules-2`` of a second one."""
    names: list[str] = []
    for part in scorers:
        name, number = f"score:{part.plugin}", 1
        while name in names:
            number += 1
            name = f"score:{part.plugin}-{number}"
        names.append(name)
    return names


async def weigh_all(
    weigher: Weighing,
    prompts: Sequence[Prompt],
    answers: Mapping[str, Sequence[tuple[Response, ...] | Reject]],
    concurrency: int,
    progress: Progress,
) -> list[Trace]:
    """One trace per prompt, in order."""
    found: list[Trace | None] = [None] * len(prompts)

    async def work(place: int, prompt: Prompt) -> None:
        own = {name: given[place] for name, given in answers.items()}
        failed = [given for given in own.values() if isinstance(given, Reject)]
        trace = await weigher.weigh(
            prompt, {name: given for name, given in own.items() if not isinstance(given, Reject)}, failed
        )
        found[place] = trace
        progress.failures.update(reject.reason for reject in trace.rejects[len(failed) :])

    progress.begin("critic and judge", len(prompts), weigher.assembly.models.throttles)
    await progress.each(prompts, work, concurrency)
    return [trace for trace in found if trace is not None]


def rejected(prompt: Prompt, error: Exception, who: str) -> Reject:
    """``who`` could not do its part."""
    if isinstance(error, ModelError):
        return Reject(prompt.id, error.reason, f"{who}: {error}", failure=True)
    detail = f"{who}: {blame(error)}"
    return Reject(prompt.id, Reason.PLUGIN_FAILED, detail[:500], failure=True)
