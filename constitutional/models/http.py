"""What an HTTP status means for a request, a model and a run."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

from constitutional.core.records import Reason
from constitutional.errors import (
    ModelUnavailableError,
    RateLimitedError,
    RequestRefusedError,
    TransientError,
)

CONTEXT_WORDS = (
    "context_length",
    "context length",
    "maximum context",
    "too long",
    "too many tokens",
    "max_model_len",
)
OUT_OF_MONEY = ("insufficient_quota", "billing", "credit balance")


def raise_for_status(model: str, status: int, detail: str, code: str | None, retry_after: float | None) -> NoReturn:
    """401, 402, 404 and an empty account end the run: no request can work. 429 and 5xx are for later. Anything else is
    this request's own fault, and is never repeated."""
    detail = " ".join(detail.split())[:300]
    words = f"{code or ''} {detail}".casefold()
    if status == 401:
        raise ModelUnavailableError(f"{model}: the API key was not accepted: {detail}")
    if status == 402 or (status in (400, 429) and any(word in words for word in OUT_OF_MONEY)):
        raise ModelUnavailableError(f"{model}: the account is out of credit: {detail}")
    if status == 404:
        raise ModelUnavailableError(f"{model}: unknown model or address: {detail}")
    if status == 429:
        raise RateLimitedError(f"{model}: rate limited: {detail}", retry_after)
    if status in (503, 529):
        raise TransientError(f"{model}: overloaded (HTTP {status}): {detail}", "overloaded", retry_after)
    if status >= 500 or status in (408, 409):
        raise TransientError(f"{model}: server error (HTTP {status}): {detail}", "server_error", retry_after)
    if any(word in words for word in CONTEXT_WORDS):
        raise RequestRefusedError(f"{model}: longer than the model's context: {detail}", Reason.CONTEXT_TOO_LONG)
    raise RequestRefusedError(f"{model}: refused the request (HTTP {status}): {detail}")


class Constraint:
    """Asks for a reply that follows a schema, where the server can give one; remembers where it cannot."""

    def __init__(self) -> None:
        self._refused = False

    async def post(
        self, send: Callable[[dict[str, Any]], Awaitable[Any]], body: dict[str, Any], schema: Mapping[str, Any] | None
    ) -> Any:
        """``schema`` is what goes into the body for it. A refused request is tried without: where that works, it was the
        schema."""
        if schema is None or self._refused:
            return await send(body)
        try:
            return await send({**schema, **body})
        except RequestRefusedError as error:
            if error.reason == Reason.CONTEXT_TOO_LONG:
                raise
            data = await send(body)
            self._refused = True
            return data


def no_answer(model: str, error: BaseException, timeout: float) -> TransientError:
    """A time-out or a failed connection. The SDKs' aiohttp transport calls both a time-out: the root cause tells."""
    cause: BaseException = error
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    if isinstance(cause, TimeoutError):
        return TransientError(f"{model}: no answer in {timeout:g} s", "timeout")
    return TransientError(f"{model}: connection failed: {cause or type(cause).__name__}", "connection")


def parse_retry_after(value: str | None) -> float | None:
    """Seconds, from seconds or from a date."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
