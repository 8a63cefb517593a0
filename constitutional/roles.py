"""What a plugin receives and what it must be able to do.

A factory gets a ``Setup`` and returns an object with the one method of its kind. Methods may be plain or ``async``.
An abstention is a value (``None`` in a record), not an exception; an exception costs the prompt it happened on.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

from constitutional.core.constitution import Constitution, PluginUse, Principle
from constitutional.core.grading import Grade
from constitutional.core.messages import ChatReply, ChatRequest, Choice
from constitutional.core.records import Critique, Drop, Judgement, Pair, Prompt, Reject, Response, Ruling, Score, Trace
from constitutional.errors import PluginError
from constitutional.templates import Templates

T = TypeVar("T")


class Model(Protocol):
    """What a role sees of a model: two questions. Replies come from the ledger where it has them."""

    @property
    def id(self) -> str: ...

    async def chat(self, request: ChatRequest) -> ChatReply: ...

    async def choose(self, request: ChatRequest, options: tuple[str, ...]) -> Choice: ...


class Remember(Protocol):
    """A plugin's own costly or paid work, done once and recorded like a model's reply."""

    async def __call__(
        self, question: Any, work: Callable[[], Awaitable[Any]], *, assumed: Any = None, complete: bool = False
    ) -> Any:
        """What ``work`` gave for ``question``; both are JSON values. The question, with the plugin's kind, name, version
        and options, names it in the ledger. ``complete``: the question says everything that the answer depends on, so
        that kind and options play no part, and a changed option repeats nothing.

        A dry run does no work: it takes ``assumed`` where the ledger does not have the answer."""
        ...


class Part(Protocol):
    """Makes another registered plugin, for one that is made of several."""

    def __call__(self, kind: str, use: PluginUse, model: str | None = None) -> Any:
        """``model`` is the entry of the run's ``models`` that it asks; None: that of the role itself."""
        ...


async def _just_work(
    question: Any, work: Callable[[], Awaitable[Any]], *, assumed: Any = None, complete: bool = False
) -> Any:
    return await work()


def _no_part(kind: str, use: PluginUse, model: str | None = None) -> Any:
    raise PluginError(f"{kind} {use.plugin!r} cannot be made here: this Setup knows no other plugins")


def _not_noted(value: Any) -> None:
    """A Setup outside a run has no plan."""


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything a critic, reviser, judge, scorer, pairing or filter may use. Fields are only ever added."""

    name: str
    options: Any
    """An instance of the ``config`` model given at registration, or None."""
    model: Model
    """The model bound to this role in the run file."""
    templates: Templates
    constitution: Constitution
    seed: int = 0
    remember: Remember = _just_work
    """Records the plugin's own work. Never called while a configuration is only checked."""
    part: Part = _no_part
    """Makes another plugin. Only in the factory."""
    depends: Callable[[Any], None] = _not_noted
    """Makes a JSON value part of the plan: what answers depend on besides the options, such as the content of a file
    that they name. Only in the factory."""
    base: Path = Path()
    """Where relative paths in the options start: the folder of the run file."""


@dataclass(frozen=True, slots=True)
class ModelSetup:
    """What a model provider's factory receives."""

    provider: str
    model: str
    """The part after ``provider:``."""
    options: Any
    """An instance of the provider's ``config`` model."""
    base_url: str | None = None
    api_key_env: str | None = None
    revision: str | None = None
    timeout: float = 120.0
    concurrency: int = 64

    @property
    def id(self) -> str:
        return f"{self.provider}:{self.model}"


class Critic(Protocol):
    async def critique(self, prompt: Prompt, response: Response, principle: Principle) -> Critique: ...


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A reviser's answer. An empty text means that it has none."""

    text: str
    call: str = ""
    model: str = ""
    finish: str = "stop"


class Reviser(Protocol):
    async def revise(
        self, prompt: Prompt, response: Response, principle: Principle, critique: Critique, round: int
    ) -> Rewrite: ...


class Judge(Protocol):
    async def judge(self, prompt: Prompt, a: Response, b: Response, principle: Principle) -> Judgement: ...


class Scorer(Protocol):
    async def score(self, prompt: Prompt, response: Response, principle: Principle) -> Score: ...


class Arena(Protocol):
    """What a pairing may ask about one prompt. Every answer is recorded and asked for once."""

    prompt: Prompt
    responses: tuple[Response, ...]
    """The sampled responses, in order."""
    final: Mapping[str, Response]
    """Sampled response id → where revision left it (the same response when nothing was revised)."""
    unresolved: frozenset[str]

    async def value(self, response: Response) -> float | None:
        """The constitution's overall score, 0 to 1, from the run's scorer."""
        ...

    async def grades(self, responses: Sequence[Response]) -> list[Grade | None]:
        """Overall and per-tier scores that can be compared with each other: all over the same principles."""
        ...

    async def compare(self, a: Response, b: Response) -> Ruling:
        """The constitution's ruling, from the run's judge."""
        ...


class Needs(NamedTuple):
    """How much a strategy asks about one prompt, at most."""

    scores: int
    """Responses that are scored: one call per principle, with the usual scorer."""
    comparisons: int
    """Pairs that are compared: two calls per principle, with the usual judge."""


class Pairing(Protocol):
    async def pair(self, arena: Arena) -> Sequence[Ruling | Reject]:
        """The rulings that should become pairs, each one that ``arena.compare`` gave; and why others should not."""
        ...


@runtime_checkable
class PlannedPairing(Pairing, Protocol):
    """A pairing that says beforehand how much it will ask, for the plan. Of one that does not, the plan only knows that
    it can ask no more than everything."""

    def needs(self, sampled: int, revised: int) -> Needs:
        """For a prompt with so many sampled answers, of which so many were revised."""
        ...


Dropped = str | Drop | None
"""A filter's answer: None keeps; a word, or a word with details, is the reason to drop."""


@runtime_checkable
class Filter(Protocol):
    """Looks at one pair, as soon as it is made. A filter may be several of these four."""

    def check(self, pair: Pair, trace: Trace) -> Dropped: ...


@runtime_checkable
class PromptFilter(Protocol):
    """Looks at each prompt before anything is asked about it, in the order of the prompts, from the first one on in every
    session. May compare it with those before; may not ask a model."""

    def admit(self, prompt: Prompt) -> Dropped: ...


@runtime_checkable
class SetFilter(Protocol):
    """Looks at each pair that is left when a run ends, in the order of the prompts. May compare it with those before."""

    def sift(self, pair: Pair, trace: Trace) -> Dropped: ...


@runtime_checkable
class SurveyFilter(SetFilter, Protocol):
    """A set filter that sees every pair once before it sifts the first."""

    def survey(self, pair: Pair, trace: Trace) -> None: ...


@dataclass(frozen=True, slots=True)
class RunInfo:
    """For observers: which run this is."""

    config: Mapping[str, Any]
    plan: str
    """Digest of everything that a trace depends on besides its prompt."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended, and what it holds."""

    status: str
    """``complete``, ``interrupted``, ``budget``, ``too-many-failures`` or ``failed``."""
    prompts: int
    pairs: int
    rejects: Mapping[str, int] = field(default_factory=dict)
    failures: int = 0
    calls_made: int = 0
    calls_reused: int = 0
    message: str = ""

    def without(self, dropped: Mapping[str, int]) -> RunResult:
        """With so many pairs turned into rejects, by reason."""
        reasons = {name: self.rejects.get(name, 0) + dropped.get(name, 0) for name in {*self.rejects, *dropped}}
        return replace(self, pairs=self.pairs - sum(dropped.values()), rejects=dict(sorted(reasons.items())))


async def settled(value: Awaitable[T] | T) -> T:
    """The result of a plugin's method, sync or async."""
    if inspect.isawaitable(value):
        result: T = await value
        return result
    return value
