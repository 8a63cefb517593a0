"""Other strategies on what a run holds already: the pipeline's second half, over a ledger that refuses new calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

from constitutional.config.run import PluginConfig, RunConfig
from constitutional.core.constitution import Constitution
from constitutional.core.records import Judgement, Reason, Response, Score, Trace
from constitutional.ledger import LedgerView
from constitutional.pipeline.counting import CallMissingError, Counting
from constitutional.pipeline.setup import Assembly, assemble
from constitutional.pipeline.strategies.missing import Bounded
from constitutional.pipeline.trace import answered_part, trace_pairs, trace_prompt
from constitutional.plugins import PluginHost

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a strategy makes of one prompt. With calls ``missing`` the trace is a guess, and of no use."""

    trace: Trace
    missing: int


class Replay:
    """Strategies side by side: what one has looked up, the others need not look up again."""

    def __init__(
        self,
        config: RunConfig,
        host: PluginHost,
        base: Path,
        constitution: Constitution,
        view: LedgerView,
        strategies: Sequence[PluginConfig],
    ) -> None:
        """``config`` is the run's, and ``constitution`` the one that it was made with."""
        self._counting = Counting(worst=False, view=view)
        self._learned: Learned = {}

        def assembled(strategy: PluginConfig) -> Assembly:
            changed = config.model_copy(update={"strategy": strategy})
            return assemble(changed, host, base, self._counting, constitution=constitution)

        self.assembled = assembled
        """A new assembly: filters of a whole run remember what they have seen."""
        self.assemblies = [assembled(strategy) for strategy in strategies]

    async def again(self, trace: Trace) -> list[Replayed]:
        """The trace that each strategy would have made of the prompt, in their order."""
        if not trace.responses:
            return [await self._whole(trace, assembly) for assembly in self.assemblies]
        memory = _Memory.of(trace, self._counting, self._learned)
        answered = answered_part(trace)
        return [await _replay(answered, assembly, memory) for assembly in self.assemblies]

    async def _whole(self, trace: Trace, assembly: Assembly) -> Replayed:
        """A prompt whose answers are not in its trace: it was not admitted, or something failed. What a plugin did wrong it
        may do right now, by the calls that were made."""
        if all(reject.reason != Reason.PLUGIN_FAILED for reject in trace.rejects):
            return Replayed(trace, 0)
        before = self._counting.guesses
        made = await trace_prompt(trace.prompt, assembly.cast)
        return Replayed(trace, 0) if self._counting.guesses > before else Replayed(made, 0)


async def _replay(answered: Trace, assembly: Assembly, memory: _Memory) -> Replayed:
    recall = _Recall(memory)
    pairing = Bounded(assembly.cast.pairing, recall)
    made = await trace_pairs(answered, replace(assembly.cast, pairing=pairing), recall)
    return Replayed(made, pairing.missing)


Learned = dict[Hashable, tuple[Any, int]]
"""Kind of question → what was made up for one of which the ledger held nothing, and how many calls it would take."""


@dataclass(slots=True)
class _Memory:
    """The answers about one prompt, each with how many calls it would take: none, where the ledger has them."""

    counting: Counting
    learned: Learned
    tags: tuple[str, ...]
    known: dict[Hashable, tuple[Any, int]] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    def of(cls, trace: Trace, counting: Counting, learned: Learned) -> _Memory:
        """With what the trace itself holds: it was made of the same answers by the same judge and scorer."""
        memory = cls(counting, learned, trace.prompt.tags)
        for name, scores in groupby(trace.scores, key=lambda score: score.response_id):
            memory.known[name] = (list(scores), 0)
        for names, judgements in groupby(trace.judgements, key=lambda judgement: (judgement.a, judgement.b)):
            memory.known[names] = (list(judgements), 0)
        return memory

    async def answer(
        self, kind: str, question: Hashable, ask: Callable[[], Awaitable[T]], fit: Callable[[T], T]
    ) -> tuple[T, int]:
        """One after the other, so that a call that is missing is counted for the question that needs it. ``fit`` makes
        an answer to another question one to this."""
        async with self.turn:
            if question not in self.known:
                found, missing = await self._find(kind, ask)
                self.known[question] = (fit(found) if missing else found, missing)
        answer: tuple[T, int] = self.known[question]
        return answer

    async def _find(self, kind: str, ask: Callable[[], Awaitable[T]]) -> tuple[T, int]:
        """The calls of a question were made together. Where the first is missing so are the others: how many there are
        was counted once, of a prompt with the same tags."""
        counting, like = self.counting, (kind, self.tags)
        known = counting.known
        if like in self.learned:
            found = await self._hurried(ask)
            if not counting.stopped:
                return found, 0
            if counting.known == known:
                return self.learned[like]
        known, guesses = counting.known, counting.guesses
        answer = await ask()
        missing = counting.guesses - guesses
        if missing and counting.known == known:
            self.learned[like] = (answer, missing)
        return answer, missing

    async def _hurried(self, ask: Callable[[], Awaitable[T]]) -> Any:
        """None where a call is missing."""
        self.counting.hurried, self.counting.stopped = True, False
        try:
            return await ask()
        except CallMissingError:
            return None
        finally:
            self.counting.hurried = False


@dataclass(slots=True)
class _Recall:
    """Implements ``arena.Recall`` and ``missing.Costs`` for one strategy."""

    memory: _Memory
    guessed: bool = False

    async def scores(self, response: Response, ask: Callable[[], Awaitable[list[Score]]]) -> list[Score]:
        def fit(scores: list[Score]) -> list[Score]:
            return [replace(score, response_id=response.id) for score in scores]

        found, missing = await self.memory.answer("scores", response.id, ask, fit)
        self.guessed = self.guessed or missing > 0
        return found

    async def judgements(
        self, a: Response, b: Response, ask: Callable[[], Awaitable[list[Judgement]]]
    ) -> list[Judgement]:
        def fit(judgements: list[Judgement]) -> list[Judgement]:
            return [replace(judgement, a=a.id, b=b.id) for judgement in judgements]

        found, missing = await self.memory.answer("judgements", (a.id, b.id), ask, fit)
        self.guessed = self.guessed or missing > 0
        return found

    def of_scores(self, response: Response) -> int:
        return self.memory.known[response.id][1]

    def of_comparison(self, a: Response, b: Response) -> int:
        return self.memory.known[a.id, b.id][1]

    def most(self, kind: str) -> int | None:
        learned = self.memory.learned.get((kind, self.memory.tags))
        return None if learned is None else learned[1]
