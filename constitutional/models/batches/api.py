"""What a provider's batches must be able to do, and a model whose requests can go through them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from constitutional.errors import ModelError
from constitutional.models.base import ChatModel


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
