"""Roles whose model nobody named. Plugins that ask none work by themselves; one that does is told what to name."""

from __future__ import annotations

from dataclasses import dataclass

from constitutional.core.messages import ChatReply, ChatRequest, Choice
from constitutional.errors import ModelUnavailableError
from constitutional.models.work import Worker
from constitutional.pipeline.setup import Bind, Models
from constitutional.roles import Model, Remember


@dataclass(frozen=True, slots=True)
class NoModel:
    """Implements ``setup.Bind``; ``why`` is said to whoever asks."""

    recorded: Bind
    why: str

    def __call__(self, role: str, models: Models, entry: str | None = None) -> Model:
        return _Unnamed(self.why)

    def remember(self, worker: Worker) -> Remember:
        return self.recorded.remember(worker)


@dataclass(frozen=True, slots=True)
class _Unnamed:
    why: str
    id: str = "no model"

    async def chat(self, request: ChatRequest) -> ChatReply:
        raise ModelUnavailableError(self.why)

    async def choose(self, request: ChatRequest, options: tuple[str, ...]) -> Choice:
        raise ModelUnavailableError(self.why)
