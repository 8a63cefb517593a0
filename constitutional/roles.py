"""What a plugin receives and what it must be able to do.

A factory gets a ``Setup`` and returns an object with the one method of its kind. Methods may be plain or ``async``.
An abstention is a value (``None`` in a record), not an exception; an exception costs the prompt it happened on.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from constitutional.core.constitution import Constitution, Principle
from constitutional.core.messages import ChatReply, ChatRequest, Choice
from constitutional.core.records import Critique, Judgement, Pair, Prompt, Response, Ruling, Score, Trace
from constitutional.templates import Templates

T = TypeVar("T")


class Model(Protocol):
    """What a role sees of a model: two questions. Replies come from the ledger where it has them."""

    @property
    def id(self) -> str: ...

    async def chat(self, request: ChatRequest) -> ChatReply: ...

    async def choose(self, request: ChatRequest, options: tuple[str, ...]) -> Choice: ...


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

    async def compare(self, a: Response, b: Response) -> Ruling:
        """The constitution's ruling, from the run's judge."""
        ...


class Pairing(Protocol):
    async def pair(self, arena: Arena) -> Sequence[Ruling]:
        """The rulings that should become pairs; each is one that ``arena.compare`` gave."""
        ...


class Filter(Protocol):
    def check(self, pair: Pair, trace: Trace) -> str | None:
        """None keeps the pair; a word is the reason to drop it."""
        ...


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


async def settled(value: Awaitable[T] | T) -> T:
    """The result of a plugin's method, sync or async."""
    if inspect.isawaitable(value):
        result: T = await value
        return result
    return value


Factory = Callable[[Any], Any]
Options = type[BaseModel]
