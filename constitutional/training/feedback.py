"""What a constitution says of answers while they are being sampled: the run's critic and scorer, for online training.

Everything goes through the plugin host and a ledger, as in a run: a training that is killed and goes on samples the same
answers again and pays for none of them twice. The trainer is synchronous, so the questions are asked from a thread with an
event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from constitutional.config.constitution import constitution_digest
from constitutional.config.run import RunConfig, read_run
from constitutional.core.codec import from_json
from constitutional.core.constitution import Constitution, Principle
from constitutional.core.digest import digest
from constitutional.core.enforcement import broken_tier
from constitutional.core.grading import Grade
from constitutional.core.records import Critique, Prompt, Response, Score
from constitutional.core.reward import reward
from constitutional.errors import ConfigError, ModelError, UsageError
from constitutional.ledger import Ledger, LedgerView, RunFolder
from constitutional.models.meter import Meter
from constitutional.pipeline.arena import LiveArena
from constitutional.pipeline.bind import Bind, NoModel, Unasked, recorded
from constitutional.pipeline.setup import Assembly, assemble
from constitutional.pipeline.trace import ENDS_THE_RUN
from constitutional.plugins import PluginHost
from constitutional.roles import Critic, Scorer, settled
from constitutional.training.rows import Question

T = TypeVar("T")
NO_RUN = (
    "online training asks a constitution, a critic and a scorer of every answer: name the run file that has them with "
    "--run RUN.yaml, or train on a finished run's folder"
)
NO_MODEL = "the critic or the scorer asks a model, and {run} names none: give it `models:`"


@dataclass(frozen=True, slots=True)
class Basis:
    """Who is asked: a run file, or a finished run with the constitution that it had."""

    name: str
    config: RunConfig
    base: Path
    constitution: Constitution | None = None

    @classmethod
    def of(cls, run: str | None, source: str) -> Basis:
        """``run`` is a run file or a run folder; without it the source of the prompts is the run."""
        path = Path(run or source).expanduser()
        if path.is_file() and run is not None:
            return cls(path.name, _without_card(read_run(path)), path.resolve().parent)
        folder = RunFolder(path)
        if not folder.started or not folder.config.is_file():
            raise UsageError(NO_RUN) if run is None else ConfigError(f"--run {run}: no run file and no run folder")
        with LedgerView(folder.ledger) as view:
            saved = view.meta("constitution")
        constitution = None if saved is None else from_json(Constitution, saved)
        return cls(path.resolve().name, _without_card(read_run(folder.config)), path.resolve(), constitution)

    def check(self) -> Assembly:
        """Raises whatever is wrong with it; no model is asked."""
        return assemble(self.config, PluginHost(), self.base, Unasked(), None, self.constitution)

    def digest(self) -> str:
        """Names whoever gives the reward: another one is another training."""
        assembly = self.check()
        parts = [self.config.part(role).model_dump(mode="json") for role in ("critic", "scorer")]
        models = [dict(assembly.models.adapter(role).identity) for role in ("critic", "scorer")]
        return digest([constitution_digest(assembly.constitution), parts, models])


class Opinion(NamedTuple):
    """Of one answer."""

    reward: float | None
    tiers: Mapping[str, float]
    """The mean of each tier; empty for an answer on the floor."""
    broken: str | None = None
    """The hard tier that it breaks."""


@dataclass(slots=True)
class Feedback:
    """Open while a stage trains. ``failures`` counts what could not be judged, by reason."""

    basis: Basis
    path: Path
    """Of the ledger."""
    seed: int
    failures: Counter[str] = field(default_factory=Counter)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _thread: threading.Thread | None = None
    _ledger: Ledger | None = None
    _assembly: Assembly | None = None

    def __enter__(self) -> Feedback:
        self._thread = threading.Thread(target=self._loop.run_forever, name="feedback", daemon=True)
        self._thread.start()
        self._run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        if self._thread is not None:
            self._thread.join()
        self._loop.close()

    def of(self, asked: Sequence[tuple[Question, Sequence[str]]]) -> list[list[Opinion]]:
        """Of each question's answers, which are compared with each other."""
        return self._run(self._all(asked))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _open(self) -> None:
        config, host = self.basis.config, PluginHost()
        self._ledger = Ledger(self.path)
        with LedgerView(self.path) as view:
            meter = Meter.of_folder(view, config.max_calls, config.max_cost)
        bind: Bind = recorded(self._ledger, meter, config)
        if not config.models:
            bind = NoModel(bind, NO_MODEL.format(run=self.basis.name))
        self._assembly = assemble(config, host, self.basis.base, bind, None, self.basis.constitution)

    async def _close(self) -> None:
        if self._ledger is not None and self._assembly is not None:
            await self._ledger.landed()
            await self._assembly.models.aclose()
            await self._ledger.flush()
        if self._ledger is not None:
            self._ledger.close()

    async def _all(self, asked: Sequence[tuple[Question, Sequence[str]]]) -> list[list[Opinion]]:
        return list(await asyncio.gather(*(self._group(question, texts) for question, texts in asked)))

    async def _group(self, question: Question, texts: Sequence[str]) -> list[Opinion]:
        """The same text twice is asked about once, and an answer on the floor is not scored."""
        assembly = self._assembly
        if assembly is None:
            raise RuntimeError("this feedback is not open")
        prompt = Prompt(question.prompt_id, question.prompt, question.tags)
        responses = {text: _response(prompt, text) for text in texts if text.strip()}
        broken = dict(zip(responses, await asyncio.gather(*map(self._broken(prompt), responses.values())), strict=True))
        unbroken = {text: response for text, response in responses.items() if broken[text] is None}
        graded = dict(zip(unbroken, await self._grades(assembly, prompt, tuple(unbroken.values())), strict=True))
        found = []
        for text in texts:
            grade, tier = graded.get(text), broken.get(text)
            floored = text not in responses or tier is not None
            found.append(Opinion(reward(grade, floored=floored), {} if grade is None else grade.tiers, tier))
        return found

    async def _grades(self, assembly: Assembly, prompt: Prompt, responses: tuple[Response, ...]) -> list[Grade | None]:
        cast = assembly.cast
        scorer: Scorer = _Forgiving(cast.scorer, self.failures)
        final = {response.id: response for response in responses}
        arena = LiveArena(prompt, responses, final, {}, cast.constitution, cast.judge, scorer, self.seed)
        try:
            return await arena.grades(responses)
        finally:
            await arena.aclose()

    def _broken(self, prompt: Prompt) -> Any:
        """The hard tier that an answer breaks, as the run's critic sees it."""
        assembly = self._assembly
        if assembly is None:
            raise RuntimeError("this feedback is not open")
        constitution = assembly.constitution
        hard = [one for tier, one in constitution.applicable(prompt.tags) if tier.force == "hard"]
        critic: Critic = assembly.cast.critic

        async def look(response: Response, principle: Principle) -> Critique | None:
            try:
                return await settled(critic.critique(prompt, response, principle))
            except ENDS_THE_RUN:
                raise
            except ModelError as error:
                self.failures[error.reason] += 1
                return None

        async def broken(response: Response) -> str | None:
            seen = await asyncio.gather(*(look(response, principle) for principle in hard))
            violated = {critique.principle_id for critique in seen if critique is not None and critique.violates}
            return broken_tier(constitution, violated)

        return broken


@dataclass(frozen=True, slots=True)
class _Forgiving:
    """A scorer whose failed calls are answers that it could not read, and counted."""

    scorer: Scorer
    failures: Counter[str]

    async def score(self, prompt: Prompt, response: Response, principle: Principle) -> Score:
        try:
            found: Score = await settled(self.scorer.score(prompt, response, principle))
        except ENDS_THE_RUN:
            raise
        except ModelError as error:
            self.failures[error.reason] += 1
            return Score(response.id, principle.id, None, "none", note=str(error))
        return found


def _without_card(config: RunConfig) -> RunConfig:
    """A judge card is of the judge, who is not asked here."""
    return config.model_copy(update={"judge_card": None, "accept_bad_judge": False})


def _response(prompt: Prompt, text: str) -> Response:
    """Named by its text, so that the same answer asks the same questions."""
    return Response(f"{prompt.id}.{digest(text)[:12]}", prompt.id, text, "policy", 0, "")
