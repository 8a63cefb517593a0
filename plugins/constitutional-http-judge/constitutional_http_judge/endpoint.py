"""The endpoint: questions that wait together go as one request; what may pass is tried again.

POST url  {"items": [{"messages": […], "a": "…", "b": "…", "principle": {"id", "statement"}}, …]}
200       {"verdicts": [{"p": 0.8, "note": "…"}, …]}          in the order of the items; p may be null
"""

from __future__ import annotations

import asyncio
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from constitutional import ConfigError, RequestRefusedError, TransientError

PASSING = (408, 429)
LONGEST = 60.0
"""Seconds that a server's Retry-After is waited for at most."""


class Endpoint:
    def __init__(
        self,
        url: str,
        key_env: str | None,
        *,
        max_batch: int,
        concurrency: int,
        tries: int,
        backoff: float,
        timeout: float,
    ) -> None:
        self._url = url
        self._headers = {"Content-Type": "application/json"}
        if key_env is not None:
            if not os.environ.get(key_env):
                raise ConfigError(f"http judge: api_key_env: no environment variable {key_env}")
            self._headers["Authorization"] = f"Bearer {os.environ[key_env]}"
        self._max_batch, self._tries, self._backoff, self._timeout = max_batch, tries, backoff, timeout
        self._waiting: list[tuple[Mapping[str, Any], asyncio.Future[Any]]] = []
        self._sending: set[asyncio.Task[None]] = set()
        self._free = asyncio.Semaphore(concurrency)

    async def ask(self, question: Mapping[str, Any]) -> Any:
        """The verdict on one question, as the endpoint gave it."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if len(self._waiting) == 1:
            task = asyncio.create_task(self._send_what_waits())
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        return await future

    async def _send_what_waits(self) -> None:
        """One turn of the event loop later: whatever else is asked in this one goes with it."""
        await asyncio.sleep(0)
        waiting = [item for item in self._waiting if not item[1].cancelled()]
        self._waiting.clear()
        batches = [waiting[at : at + self._max_batch] for at in range(0, len(waiting), self._max_batch)]
        await asyncio.gather(*(self._send(batch) for batch in batches))

    async def _send(self, batch: Sequence[tuple[Mapping[str, Any], asyncio.Future[Any]]]) -> None:
        try:
            async with self._free:
                verdicts = await self._verdicts([question for question, _ in batch])
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), verdict in zip(batch, verdicts, strict=True):
            if not future.done():
                future.set_result(verdict)

    async def _verdicts(self, items: Sequence[Mapping[str, Any]]) -> list[Any]:
        body = json.dumps({"items": items}).encode()
        for attempt in range(1, self._tries + 1):
            try:
                return _read(await asyncio.to_thread(self._post, body), len(items))
            except TransientError as error:
                if attempt == self._tries:
                    raise
                wait = self._backoff * 2 ** (attempt - 1) if error.retry_after is None else error.retry_after
                await asyncio.sleep(min(wait, LONGEST))
        raise AssertionError("at least one try")

    def _post(self, body: bytes) -> bytes:
        request = urllib.request.Request(self._url, body, self._headers)
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as reply:
                data: bytes = reply.read()
                return data
        except urllib.error.HTTPError as error:
            with error:
                message = f"{self._url}: HTTP {error.code}"
                if error.code >= 500 or error.code in PASSING:
                    raise TransientError(message, retry_after=_seconds(error.headers.get("Retry-After"))) from error
                raise RequestRefusedError(message) from error
        except OSError as error:
            raise TransientError(f"{self._url}: {getattr(error, 'reason', error)}") from error


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.strip().isdecimal() else None


def _read(data: bytes, count: int) -> list[Any]:
    """A reply that is no list of so many verdicts may be better the next time."""
    try:
        verdicts = json.loads(data)["verdicts"]
    except (ValueError, KeyError, TypeError) as error:
        raise TransientError("the judge's reply is no JSON with `verdicts`", "malformed_reply") from error
    if not isinstance(verdicts, list) or len(verdicts) != count:
        raise TransientError(f"the judge's reply has not {count} verdicts", "malformed_reply")
    return verdicts
