"""What the batch APIs of all providers share: requests written one after another, one looked for among the latest, errors
that are read from a line as if they had been answered directly."""

from __future__ import annotations

import io
from collections.abc import AsyncIterable, Callable, Iterable
from typing import TypeVar

from constitutional.errors import ModelError, RateLimitedError, TransientError
from constitutional.models.http import raise_for_status

T = TypeVar("T")
UPLOAD_SECONDS = 1800.0
LATEST = 100
"""Batches looked through for one that was sent by a process that is dead."""


def joined(lines: Iterable[bytes], between: bytes, start: bytes = b"", end: bytes = b"") -> bytes:
    """Made one by one, so that they are in memory once."""
    whole = io.BytesIO()
    whole.write(start)
    for number, line in enumerate(lines):
        whole.write(between if number else b"")
        whole.write(line)
    whole.write(end)
    return whole.getvalue()


async def among_latest(batches: AsyncIterable[T], wanted: Callable[[T], bool]) -> list[T]:
    """Newest first."""
    found: list[T] = []
    seen = 0
    async for batch in batches:
        if wanted(batch):
            found.append(batch)
        seen += 1
        if seen >= LATEST:
            break
    return found


def as_if_direct(model: str, status: int, message: object, code: str | None) -> ModelError:
    """A request that the provider had no room for in a batch joins the next one: it slows nobody down."""
    try:
        raise_for_status(model, status, str(message or ""), code, None)
    except RateLimitedError as error:
        return TransientError(error.message, "overloaded")
    except ModelError as error:
        return error
