"""What a run will ask, before it asks: the real pipeline over a sample of prompts, with models that only count.

Two passes bound it: one where no answer violates anything and one where every answer violates everything. Calls that the
ledger holds already are recognised and answered from it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from constitutional.config.run import ROLES, RunConfig
from constitutional.core.digest import digest
from constitutional.core.messages import ChatReply, ChatRequest, Choice, Usage
from constitutional.core.records import Prompt
from constitutional.ledger import LedgerView
from constitutional.models.recorded import chat_from, chat_value, choice_from, choose_value, filled
from constitutional.models.work import Worker, work_from
from constitutional.pipeline.prompts import count_prompts, read_prompts
from constitutional.pipeline.setup import Models, assemble, model_config, price_of, sampling_of
from constitutional.pipeline.trace import trace_prompt
from constitutional.plugins import PluginHost
from constitutional.roles import Model, Remember

SAMPLE = 50
CHARACTERS_PER_TOKEN = 4
USUAL_ANSWER, USUAL_CRITIQUE = 300, 120
"""Tokens assumed for an answer, and for a critique, where the model may write more."""


@dataclass(slots=True)
class Load:
    """What one role would ask, over the sample."""

    calls: int = 0
    known: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """``low`` and ``high`` per role, over ``sampled`` prompts; ``prompts`` is how many there are, None if unknown."""

    prompts: int | None
    sampled: int
    low: dict[str, Load]
    high: dict[str, Load]
    models: dict[str, str]

    @property
    def scale(self) -> float:
        """From the sample to the whole."""
        return 1.0 if self.prompts is None or not self.sampled else max(1.0, self.prompts / self.sampled)

    def total(self, loads: dict[str, Load], part: str) -> float:
        return sum(float(getattr(load, part)) for load in loads.values()) * self.scale


class _CountingModel:
    """Answers nothing and counts what it is asked. ``worst``: every first option (yes, it violates) is certain."""

    def __init__(self, role: str, models: Models, entry: str | None, binding: Counting) -> None:
        self._role = role
        self._adapter = models.adapter(role, entry)
        self._sampling = sampling_of(models.config, role, models.mode, entry)
        self._price = price_of(model_config(models.config, role, entry))
        self._load = binding.load(role)
        self._worst = binding.worst
        self._view = binding.view
        self._serial = itertools.count()

    @property
    def id(self) -> str:
        return self._adapter.id

    async def chat(self, request: ChatRequest) -> ChatReply:
        request = filled(request, self._sampling)
        key = digest(chat_value(self._adapter.identity, request))
        saved = self._saved(key)
        if saved is not None:
            return chat_from(saved, key)
        usual = USUAL_CRITIQUE if self._role == "critic" else USUAL_ANSWER
        self._add(request, min(usual, request.sampling.max_tokens or usual))
        word = f"answer {next(self._serial)} "
        return ChatReply(word * (usual * CHARACTERS_PER_TOKEN // len(word)), call=key)

    async def choose(self, request: ChatRequest, options: tuple[str, ...]) -> Choice:
        request = filled(request, self._sampling)
        key = digest(choose_value(self._adapter.identity, request, options))
        saved = self._saved(key)
        if saved is not None:
            return choice_from(saved, key)
        self._add(request, 1)
        certain = 0 if self._worst else len(options) - 1
        return Choice(tuple(float(n == certain) for n in range(len(options))), "estimate", calls=(key,))

    def _saved(self, key: str) -> str | None:
        return _saved(self._view, key, self._load)

    def _add(self, request: ChatRequest, completion: int) -> None:
        prompt = sum(len(content) for _, content in request.messages) // CHARACTERS_PER_TOKEN
        self._load.calls += 1
        self._load.prompt_tokens += prompt
        self._load.completion_tokens += completion
        self._load.cost += self._price.of(Usage(prompt, completion))


@dataclass(frozen=True, slots=True)
class Counting:
    """Implements ``setup.Bind``: models that answer nothing and count, over one pass."""

    worst: bool
    view: LedgerView | None
    loads: dict[str, Load] = field(default_factory=dict)

    def load(self, role: str) -> Load:
        return self.loads.setdefault(role, Load())

    def __call__(self, role: str, models: Models, entry: str | None = None) -> Model:
        return _CountingModel(role, models, entry, self)

    def remember(self, worker: Worker) -> Remember:
        load = self.load(worker.kind)

        async def assume(
            question: Any, work: Callable[[], Awaitable[Any]], *, assumed: Any = None, complete: bool = False
        ) -> Any:
            saved = _saved(self.view, digest(worker.value(question, complete)), load)
            load.calls += saved is None
            return assumed if saved is None else work_from(saved)

        return assume


def _saved(view: LedgerView | None, key: str, load: Load) -> str | None:
    if view is None:
        return None
    saved: str | None = view.one("SELECT reply FROM calls WHERE key = ?", bytes.fromhex(key))
    load.known += saved is not None
    return saved


def estimate(config: RunConfig, host: PluginHost, base: Path, ledger: Path | None = None) -> Estimate:
    """From the first prompts. Reads ``ledger`` if there is one; calls no model and writes nothing."""
    rows = list(itertools.islice(_prompts(config, base), min(SAMPLE, config.limit or SAMPLE)))
    total = count_prompts(config.prompts or "-", base)
    if total is not None and config.limit is not None:
        total = min(total, config.limit)
    view = LedgerView(ledger) if ledger is not None and ledger.exists() else None
    try:
        passes = [_pass(config, host, base, rows, worst, view) for worst in (False, True)]
    finally:
        if view is not None:
            view.close()
    models = {role: model_config(config, role).name for role in ROLES}
    return Estimate(total, len(rows), passes[0], passes[1], models)


def _pass(
    config: RunConfig,
    host: PluginHost,
    base: Path,
    prompts: list[Prompt],
    worst: bool,
    view: LedgerView | None,
) -> dict[str, Load]:
    binding = Counting(worst, view)
    assembly = assemble(config, host, base, binding)

    async def follow() -> None:
        for prompt in prompts:
            await trace_prompt(prompt, assembly.cast)

    asyncio.run(follow())
    return {role: load for role, load in binding.loads.items() if load.calls or load.known}


def _prompts(config: RunConfig, base: Path) -> Iterator[Prompt]:
    return (row for row in read_prompts(config.prompts or "-", base) if isinstance(row, Prompt))
