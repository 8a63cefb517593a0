"""OpenAI's batch API: a file of requests goes up, a batch is made of it, one or two files of results come down."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any

from constitutional.errors import TransientError
from constitutional.models.batches.api import BatchLimits, BatchLine, BatchStatus
from constitutional.models.batches.lines import LATEST, UPLOAD_SECONDS, among_latest, as_if_direct, joined

if TYPE_CHECKING:
    from constitutional.models.openai import OpenAIModel

PATH = "/v1/chat/completions"
LIMITS = BatchLimits(50_000, 100_000_000)
"""The provider takes 200 MB; half of it is as many requests as a driver should hold in memory."""


class OpenAIBatches:
    """Implements ``api.BatchApi``."""

    def __init__(self, model: OpenAIModel) -> None:
        self._model = model

    @property
    def limits(self) -> BatchLimits:
        return LIMITS

    def line(self, name: str, body: dict[str, Any]) -> bytes:
        line = {"custom_id": name, "method": "POST", "url": PATH, "body": body}
        return json.dumps(line, ensure_ascii=False).encode("utf-8", "replace")

    async def submit(self, lines: Iterable[bytes], token: str) -> str:
        client = await self._model.client()
        content = joined(lines, b"\n")
        with self._model.faults():
            file = await client.files.create(file=(f"{token}.jsonl", content), purpose="batch", timeout=UPLOAD_SECONDS)
            batch = await client.batches.create(
                input_file_id=file.id, endpoint=PATH, completion_window="24h", metadata={"token": token}
            )
        return str(batch.id)

    async def find(self, token: str, since: float, requests: int) -> str | None:
        latest = (await self._model.client()).batches.list(limit=LATEST)
        with self._model.faults():
            found: list[Any] = await among_latest(latest, lambda batch: (batch.metadata or {}).get("token") == token)
        return str(found[0].id) if found else None

    async def look(self, batch: str) -> BatchStatus:
        client = await self._model.client()
        with self._model.faults():
            found = await client.batches.retrieve(batch)
        done = found.request_counts.completed + found.request_counts.failed if found.request_counts else 0
        if found.status == "failed":
            faults = (found.errors.data if found.errors else None) or []
            words = "; ".join(str(fault.message or fault.code) for fault in faults[:3]) or "no reason given"
            too_much = any("limit" in str(fault.code or "") for fault in faults)
            return BatchStatus(True, done, words, too_much)
        results = tuple(str(name) for name in (found.output_file_id, found.error_file_id) if name)
        return BatchStatus(found.status in ("completed", "expired", "cancelled"), done, results=results)

    async def results(self, status: BatchStatus) -> AsyncIterator[BatchLine]:
        client = await self._model.client()
        for name in status.results:
            with self._model.faults():
                async with client.files.with_streaming_response.content(name, timeout=UPLOAD_SECONDS) as response:
                    async for line in response.iter_lines():
                        if line.strip():
                            yield self._read(line)

    def _read(self, line: str) -> BatchLine:
        try:
            row = json.loads(line)
            name, response = str(row["custom_id"]), row.get("response")
            if response is None:
                return self._not_worked_on(name, row.get("error") or {})
            if int(response["status_code"]) == 200:
                return BatchLine(name, response["body"])
            fault = (response.get("body") or {}).get("error") or {}
            status, message = int(response["status_code"]), fault.get("message")
            return BatchLine(name, error=as_if_direct(self._model.id, status, message, fault.get("code")))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise TransientError(
                f"{self._model.id}: a batch's results cannot be read: {line[:120]}", "malformed_reply"
            ) from error

    def _not_worked_on(self, name: str, fault: dict[str, Any]) -> BatchLine:
        if "expired" in str(fault.get("code")) or "cancel" in str(fault.get("code")):
            return BatchLine(name)
        return BatchLine(
            name, error=TransientError(f"{self._model.id}: in a batch: {fault.get('message')}", "server_error")
        )

    async def cancel(self, batch: str) -> None:
        client = await self._model.client()
        with self._model.faults():
            await client.batches.cancel(batch)
