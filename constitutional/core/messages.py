"""What a role asks of a model, and what it gets back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from constitutional.core.records import Messages


@dataclass(frozen=True, slots=True)
class Sampling:
    """None leaves a setting to the server. All of it is part of a request's identity."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChatRequest:
    messages: Messages
    sampling: Sampling = field(default_factory=Sampling)
    sample: int = 0
    """Which of several samples of the same request this is."""
    shared: int = 0
    """A hint for prompt caches: this many leading characters of the last message are common to a group of calls.
    Not part of the identity."""
    schema: Mapping[str, Any] | None = field(default=None, hash=False)
    """The JSON Schema of the wanted reply. A model that can be held to it is; with any other it is only a wish, so the
    reply has to be read with care either way."""

    def identity(self) -> list[Any]:
        """The JSON value that, with the model's identity, names this request in the ledger."""
        sampling = self.sampling
        named = [
            self.messages,
            [sampling.temperature, sampling.top_p, sampling.max_tokens, sampling.seed, sampling.stop],
            self.sample,
        ]
        return named if self.schema is None else [*named, dict(self.schema)]


@dataclass(frozen=True, slots=True)
class Usage:
    prompt: int = 0
    completion: int = 0
    cached: int = 0
    """How many of the prompt tokens came from a prefix cache."""
    share: float = 1.0
    """What share of the price is charged: a provider's batches cost half."""


@dataclass(frozen=True, slots=True)
class ChatReply:
    text: str
    finish: str = "stop"
    """``stop``, ``length`` (cut off), ``refusal``, or the server's own word."""
    usage: Usage = field(default_factory=Usage)
    reasoning: str | None = None
    call: str = ""
    """The ledger key, once recorded."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The probability of each option, in the order asked, summing to one; ``()`` where the verdict is unreadable."""

    probabilities: tuple[float, ...]
    method: str
    """``logprobs``, or ``sampled:k`` where k replies were counted."""
    mass: float | None = None
    """How much of the model's own probability lay on the options, where it is known."""
    usage: Usage = field(default_factory=Usage)
    calls: tuple[str, ...] = ()

    @property
    def readable(self) -> bool:
        return bool(self.probabilities)
