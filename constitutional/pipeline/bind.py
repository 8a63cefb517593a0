"""Where answers come from: the ledger and then a model, or nobody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from constitutional.config.run import RunConfig
from constitutional.core.messages import ChatReply, ChatRequest, Choice
from constitutional.errors import ConstitutionalError, ModelUnavailableError, RunStoppedError
from constitutional.ledger import Ledger, Once
from constitutional.models.batches.model import Straight
from constitutional.models.meter import Meter
from constitutional.models.recorded import RecordedModel
from constitutional.models.work import RecordedWork, Worker
from constitutional.pipeline.models import Models, model_config, price_of, sampling_of
from constitutional.roles import Model, Remember

CHECKED = "while the configuration was only checked"


class Bind(Protocol):
    """Where answers come from: it makes the models that roles see, and the memory of plugins."""

    def __call__(self, role: str, models: Models, entry: str | None = None) -> Model:
        """``entry`` is one of the run's ``models``; None: the role's own."""
        ...

    def remember(self, worker: Worker) -> Remember: ...


def recorded(ledger: Once, meter: Meter, config: RunConfig, batches: Ledger | None = None) -> Bind:
    """Models whose every reply goes through the ledger, and so does the work of plugins. ``batches``: the same ledger,
    where models that are to be asked by batches are; without it they are asked directly."""
    return _Recorded(ledger, meter, config, batches)


@dataclass(frozen=True, slots=True)
class _Recorded:
    ledger: Once
    meter: Meter
    config: RunConfig
    batches: Ledger | None

    def __call__(self, role: str, models: Models, entry: str | None = None) -> Model:
        batched = models.by_batches(role, entry, self.batches, self.meter) if self.batches else None
        return RecordedModel(
            batched or models.adapter(role, entry),
            role,
            self.ledger,
            Straight() if batched else models.throttle(role, entry),
            self.meter,
            sampling_of(self.config, role, models.mode, entry),
            price_of(model_config(self.config, role, entry)),
        )

    def remember(self, worker: Worker) -> Remember:
        return RecordedWork(worker, self.ledger, self.meter)


class Unasked:
    """Models that are only named, and plugins that do no work: for a look at a configuration."""

    def __call__(self, role: str, models: Models, entry: str | None = None) -> Model:
        name = models.adapter(role, entry).id
        return _Mute(name, RunStoppedError, f"{name} was asked {CHECKED}")

    def remember(self, worker: Worker) -> Remember:
        async def refuse(
            question: Any, work: Callable[[], Awaitable[Any]], *, assumed: Any = None, complete: bool = False
        ) -> Any:
            raise RunStoppedError(f"{worker.name} was to work {CHECKED}")

        return refuse


@dataclass(frozen=True, slots=True)
class NoModel:
    """Nobody named a model: plugins that ask none work by themselves, and one that does is told ``why`` it cannot."""

    recorded: Bind
    why: str

    def __call__(self, role: str, models: Models, entry: str | None = None) -> Model:
        return _Mute("no model", ModelUnavailableError, self.why)

    def remember(self, worker: Worker) -> Remember:
        return self.recorded.remember(worker)


@dataclass(frozen=True, slots=True)
class _Mute:
    """A model that must not be asked."""

    id: str
    error: type[ConstitutionalError]
    why: str

    async def chat(self, request: ChatRequest) -> ChatReply:
        raise self.error(self.why)

    async def choose(self, request: ChatRequest, options: tuple[str, ...]) -> Choice:
        raise self.error(self.why)
