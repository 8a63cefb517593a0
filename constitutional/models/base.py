"""The contract between the toolkit and whatever serves a model, and what all adapters share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, Protocol, runtime_checkable

from constitutional.core.messages import ChatReply, ChatRequest, Choice


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


@runtime_checkable
class EngineModel(ChatModel, Protocol):
    """A model whose engine runs in this process: it queues what it has no place for, and is never overloaded."""

    has_queue: Literal[True]


@runtime_checkable
class SharedEngineModel(EngineModel, Protocol):
    """One of perhaps several on an engine that knows how many calls it can use at once."""

    @property
    def engine(self) -> object:
        """Models on one engine have the same."""
        ...

    def places(self) -> int | None:
        """As of now; None: not known yet."""
        ...


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
