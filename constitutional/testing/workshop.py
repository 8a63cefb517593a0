"""Where a subject is made as a run makes it: real templates, real recording; only the mind behind the model is made up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from constitutional.core.constitution import Constitution, PluginUse
from constitutional.core.messages import ChatReply, ChatRequest, Choice, Sampling, Usage
from constitutional.errors import RequestRefusedError
from constitutional.models.base import NoLogprobs, normalised
from constitutional.models.meter import Meter, Price
from constitutional.models.recorded import RecordedModel
from constitutional.models.scripted import Script
from constitutional.models.throttle import Throttle
from constitutional.models.work import RecordedWork, Worker
from constitutional.roles import ModelSetup, Setup, settled
from constitutional.templates import Templates
from constitutional.testing.ledger import MemoryLedger
from constitutional.testing.material import tiny_constitution
from constitutional.testing.minds import lopsided
from constitutional.testing.subject import Subject

MOST = 64


@dataclass(frozen=True)
class MindModel:
    """A chat model whose every answer comes from a function."""

    script: Script
    logprobs: bool = True
    id: str = "test:mind"
    asked: list[ChatRequest] = field(default_factory=list)

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"model": self.id}

    async def chat(self, request: ChatRequest) -> ChatReply:
        self.asked.append(request)
        text = await settled(self.script(request, None))
        if not isinstance(text, str):
            raise RequestRefusedError(f"{self.id}: the script gave no text for this chat")
        return ChatReply(text, "stop", Usage(1, 1))

    async def choose(self, request: ChatRequest, options: tuple[str, ...]) -> Choice:
        if not self.logprobs:
            raise NoLogprobs
        self.asked.append(request)
        weights = await settled(self.script(request, options))
        if not isinstance(weights, Mapping):
            raise RequestRefusedError(f"{self.id}: the script gave no weights for this choice")
        found = normalised(weights, options)
        return Choice(found, "logprobs", 1.0 if found else 0.0, Usage(1, 1))

    async def aclose(self) -> None:
        """Nothing is held open."""


def recorded_model(
    script: Script, ledger: MemoryLedger | None = None, *, logprobs: bool = True, role: str = "judge"
) -> RecordedModel:
    """What a role sees of a model: replies are recorded, and a choice is counted from samples without ``logprobs``."""
    adapter = MindModel(script, logprobs)
    sampling = Sampling(temperature=0.0, max_tokens=1024)
    return RecordedModel(adapter, role, ledger or MemoryLedger(), Throttle(MOST), Meter(), sampling, Price())


@dataclass
class Workshop:
    """One bench: whatever is made here shares the model and the ledger. ``depends`` and ``remember`` are real."""

    subject: Subject
    script: Script | None = None
    """Default: the subject's own, else a mind with an opinion on everything."""
    logprobs: bool = True
    constitution: Constitution = field(default_factory=tiny_constitution)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    seed: int = 0

    def __post_init__(self) -> None:
        self.mind = MindModel(self.script or self.subject.script or lopsided, self.logprobs)
        self._throttle, self._meter = Throttle(MOST), Meter()
        self._sampling = Sampling(temperature=0.0, max_tokens=1024)

    @property
    def asked(self) -> int:
        """How often the model was asked."""
        return len(self.mind.asked)

    def make(self) -> Any:
        """The subject, from its factory."""
        subject = self.subject
        if subject.kind == "constitution":
            return subject.registered.factory()
        if subject.kind == "model":
            return subject.registered.factory(self.model_setup())
        return self._made(subject.kind, PluginUse(subject.name, subject.options))

    def setup(self) -> Setup:
        """What the factory of the subject gets."""
        return self._setup(self.subject.kind, PluginUse(self.subject.name, self.subject.options))

    def model_setup(self) -> ModelSetup:
        subject = self.subject
        options = subject.registered.options(dict(subject.options), "models.test")
        return ModelSetup(subject.name, subject.model, options, base_url=subject.base_url, timeout=30.0)

    def _made(self, kind: str, use: PluginUse) -> Any:
        return self.subject.host.get(kind, use.plugin).factory(self._setup(kind, use))

    def _setup(self, kind: str, use: PluginUse) -> Setup:
        registered = self.subject.host.get(kind, use.plugin)
        options = registered.options(dict(use.options), kind)
        worker = Worker(kind, use.plugin, "", options.model_dump(mode="json") if options else {})
        model = RecordedModel(self.mind, kind, self.ledger, self._throttle, self._meter, self._sampling, Price())
        return Setup(
            use.plugin,
            options,
            model,
            Templates(self.subject.base),
            self.constitution,
            self.seed,
            RecordedWork(worker, self.ledger, self._meter),
            lambda kind, use, model=None: self._made(kind, use),
            base=self.subject.base,
        )
