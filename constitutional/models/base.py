"""The contract between the toolkit and whatever serves a model, and what all adapters share."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from constitutional.core.messages import ChatReply, ChatRequest, Choice
from constitutional.errors import ModelError


class ChatModel(Protocol):
    """``id`` is ``provider:model``; ``identity`` is what the ledger's keys contain: everything that makes two replies
    comparable (id, revision, provider parameters) and nothing that does not (endpoint, key, concurrency)."""

    @property
    def id(self) -> str: ...

    @property
    def identity(self) -> Mapping[str, Any]: ...

    async def chat(self, request: ChatRequest) -> ChatReply: ...

    async def choose(self, request: ChatRequest, options: tuple[str, ...]) -> Choice:
        """Raises ``NoLogprobs`` where the server gives none: the caller then counts samples."""
        ...

    async def aclose(self) -> None: ...


class Post(Protocol):
    async def __call__(self, body: dict[str, Any], sample: int) -> Any:
        """Sends the body of a request, for the sample of that number, and gives the JSON of the reply."""
        ...


@dataclass(frozen=True, slots=True)
class BatchLimits:
    requests: int
    size: int
    """In bytes."""


@dataclass(frozen=True, slots=True)
class BatchStatus:
    ended: bool
    """There are results to read: of all requests, or of those that were answered in time."""
    done: int = 0
    """Requests answered so far, where the provider says it."""
    refused: str | None = None
    """Why the whole batch was refused: none of its requests was worked on."""
    too_much: bool = False
    """It was refused because too much is queued already: smaller, or later."""
    results: tuple[str, ...] = ()
    """Where its results are."""


@dataclass(frozen=True, slots=True)
class BatchLine:
    """One request's result: the JSON of its reply, or what went wrong with it alone; neither where it was not worked on."""

    name: str
    data: Any = None
    error: ModelError | None = None


class BatchApi(Protocol):
    """A provider's batches. Errors are those of any other call."""

    @property
    def limits(self) -> BatchLimits: ...

    def line(self, name: str, body: dict[str, Any]) -> bytes:
        """The request as it stands in a batch: JSON."""
        ...

    async def submit(self, lines: Iterable[bytes], token: str) -> str:
        """The batch's id. ``token`` is ours: it is kept with the batch where the provider keeps any."""
        ...

    async def find(self, token: str, since: float, requests: int) -> str | None:
        """The id of a batch that was sent with this token, or that must be the one."""
        ...

    async def look(self, batch: str) -> BatchStatus: ...

    def results(self, status: BatchStatus) -> AsyncIterator[BatchLine]: ...

    async def cancel(self, batch: str) -> None: ...


@runtime_checkable
class BatchingModel(ChatModel, Protocol):
    """A model whose provider takes batches too."""

    async def post(self, body: dict[str, Any], sample: int) -> Any:
        """Sends one request at once. Implements ``Post``."""
        ...

    def through(self, post: Post) -> ChatModel:
        """This model, whose requests ``post`` sends."""
        ...

    def batches(self) -> BatchApi: ...


@runtime_checkable
class EngineModel(ChatModel, Protocol):
    """A model whose engine runs in this process: it queues what it has no place for, and is never overloaded."""

    has_queue: Literal[True]


class NoLogprobs(Exception):  # noqa: N818 - a signal between adapter and caller, never shown to a user
    """This model gives no log-probabilities."""


_THINKING = re.compile(r"\A\s*<think>(.*?)</think>\s*", re.DOTALL)


def split_reasoning(text: str) -> tuple[str, str | None]:
    """The answer without a leading ``<think>…</think>`` block, and the block: preference data is about answers."""
    found = _THINKING.match(text)
    return (text[found.end() :], found.group(1).strip()) if found else (text, None)


def normalised(weights: Mapping[str, float], options: tuple[str, ...]) -> tuple[float, ...]:
    """Probabilities over the options, or () where none of them has any weight."""
    total = sum(weights.get(option, 0.0) for option in options)
    return tuple(weights.get(option, 0.0) / total for option in options) if total > 0 else ()


def read_option(text: str, options: tuple[str, ...]) -> str | None:
    """Which option a free-text reply names, None where it names none or is not clear: `` (A)``, ``A.``, ``**A**``."""
    words = text.strip().split()
    if not words:
        return None
    bare = {option.strip(" ()").casefold(): option for option in options}
    return bare.get(words[0].strip("()[]{}*_`'\".,:;!").casefold())
