"""Models that answer nothing and count: what the ledger holds is answered from it, and the rest is a guess."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from constitutional.core.digest import digest
from constitutional.core.messages import ChatReply, ChatRequest, Choice, Usage
from constitutional.ledger import LedgerView
from constitutional.models.batches.purse import SHARE
from constitutional.models.recorded import (
    SAMPLES,
    chat_from,
    chat_value,
    choice_from,
    choose_value,
    counted,
    drawn,
    filled,
)
from constitutional.models.work import Worker, work_from
from constitutional.pipeline.models import Models, model_config, price_of, sampling_of
from constitutional.pipeline.waves import Waves
from constitutional.roles import Model, Remember

CHARACTERS_PER_TOKEN = 4
OF_A_MODEL = "SELECT 1 FROM calls WHERE model = ?"
USUAL_ANSWER, USUAL_CRITIQUE = 300, 120
"""Tokens assumed for an answer, and for a critique, where the model may write more."""


class CallMissingError(Exception):
    """A call is not in the ledger, and whoever asked did not want to know more."""


@dataclass(slots=True)
class Load:
    """What one role would ask, over the sample."""

    calls: int = 0
    known: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0


class _CountingModel:
    """Answers nothing and counts what it is asked. ``worst``: every first option (yes, it violates) is certain."""

    def __init__(self, role: str, models: Models, entry: str | None, binding: Counting) -> None:
        self._role = role
        self._adapter = models.adapter(role, entry)
        self._sampling = sampling_of(models.config, role, models.mode, entry)
        self._price = price_of(model_config(models.config, role, entry))
        self._binding = binding
        self._batched = model_config(models.config, role, entry).batch
        self._share = SHARE if self._batched else 1.0
        self._load = binding.load(role)
        self._worst = binding.worst
        self._view = binding.view
        self._serial = binding.serial
        self._logprobs: bool | None = None
        """Whether the model gives log-probabilities, as far as the ledger shows."""

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
        await self._waited()
        return ChatReply(_made_up(next(self._serial), usual), call=key)

    async def choose(self, request: ChatRequest, options: tuple[str, ...]) -> Choice:
        request = filled(request, self._sampling)
        key = digest(choose_value(self._adapter.identity, request, options))
        saved = self._saved(key)
        if saved is not None:
            self._logprobs = True
            return choice_from(saved, key)
        if self._logprobs is None:
            self._logprobs = self._binding.gives_logprobs(self.id, self._role)
        if self._logprobs is not True and (sampled := self._sampled(request, options)) is not None:
            return sampled
        certain = 0 if self._worst else len(options) - 1
        for _ in range(SAMPLES if self._logprobs is False else 1):
            self._add(request, 1)
        await self._waited()
        return Choice(tuple(float(n == certain) for n in range(len(options))), "estimate", calls=(key,))

    def _sampled(self, request: ChatRequest, options: tuple[str, ...]) -> Choice | None:
        """The choice as it was counted from replies, of a model that gives no log-probabilities. None where the ledger
        does not hold all of them."""
        replies = []
        for sample in range(SAMPLES):
            asked = filled(drawn(request, self._sampling, sample), self._sampling)
            key = digest(chat_value(self._adapter.identity, asked))
            saved = self._saved(key)
            if saved is None:
                return None
            self._logprobs = False
            replies.append(chat_from(saved, key))
        return counted(replies, options)

    async def _waited(self) -> None:
        if self._batched:
            await self._binding.waves.join()

    def _saved(self, key: str) -> str | None:
        return _saved(self._view, key, self._load)

    def _add(self, request: ChatRequest, completion: int) -> None:
        self._binding.missed()
        prompt = sum(len(content) for _, content in request.messages) // CHARACTERS_PER_TOKEN
        self._load.calls += 1
        self._load.prompt_tokens += prompt
        self._load.completion_tokens += completion
        self._load.cost += self._price.of(Usage(prompt, completion, share=self._share))


def _made_up(number: int, tokens: int) -> str:
    """Text of about so many tokens, unlike every other, in which nothing repeats: else it would be dropped as a loop."""
    opening = f"answer {number}:"
    return f"{opening} {' '.join(_WORDS[: tokens * CHARACTERS_PER_TOKEN // len(_WORDS[0])])}"[
        : tokens * CHARACTERS_PER_TOKEN
    ]


_WORDS = [f"w{n:05}" for n in range(2000)]


@dataclass(slots=True)
class Counting:
    """Implements ``bind.Bind``: models that answer nothing and count, over one pass."""

    worst: bool
    view: LedgerView | None
    loads: dict[str, Load] = field(default_factory=dict)
    serial: itertools.count[int] = field(default_factory=itertools.count)
    """Numbers the made-up answers: no two are alike, also of two models."""
    hurried: bool = False
    """The first call that the ledger does not hold raises ``CallMissingError``."""
    waves: Waves = field(default_factory=Waves)
    """Of what is asked by batches."""
    stopped: bool = False
    """That this happened: a plugin may have taken the error for its own."""
    _gives: dict[tuple[str, str], bool | None] = field(default_factory=dict)

    @property
    def guesses(self) -> int:
        """How many answers were made up so far."""
        return sum(load.calls for load in self.loads.values())

    @property
    def known(self) -> int:
        """How many were found in the ledger."""
        return sum(load.known for load in self.loads.values())

    def gives_logprobs(self, model: str, role: str) -> bool | None:
        """Whether the ledger holds choices of the model; None where the role asked nothing yet."""
        if self.view is None:
            return None
        if (model, role) not in self._gives:
            choice = self.view.one(f"{OF_A_MODEL} AND reply LIKE '{{\"probabilities\"%' LIMIT 1", model)
            asked = choice or self.view.one(f"{OF_A_MODEL} AND role = ? LIMIT 1", model, role)
            self._gives[model, role] = None if asked is None else choice is not None
        return self._gives[model, role]

    def missed(self) -> None:
        if self.hurried:
            self.stopped = True
            raise CallMissingError

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
            if saved is None:
                self.missed()
                load.calls += 1
            return assumed if saved is None else work_from(saved)

        return assume


def _saved(view: LedgerView | None, key: str, load: Load) -> str | None:
    if view is None:
        return None
    saved: str | None = view.one("SELECT reply FROM calls WHERE key = ?", bytes.fromhex(key))
    load.known += saved is not None
    return saved
