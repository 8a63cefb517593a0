"""Anthropic's message batches: the requests go up in one call, the results come down as lines."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any

from constitutional.errors import ModelError, TransientError
from constitutional.models.batches.api import BatchLimits, BatchLine, BatchStatus
from constitutional.models.batches.lines import LATEST, UPLOAD_SECONDS, among_latest, as_if_direct, joined

if TYPE_CHECKING:
    from constitutional.models.anthropic import AnthropicModel

PATH = "/v1/messages/batches"
LIMITS = BatchLimits(100_000, 100_000_000)
"""The provider takes 256 MB; less is as many requests as a driver should hold in memory."""
STATUS = {
    "invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403,
    "not_found_error": 404, "request_too_large": 413, "rate_limit_error": 429, "timeout_error": 504,
    "overloaded_error": 529,
}  # fmt: skip
"""The status that the same error has outside of a batch; any other is the server's."""


class AnthropicBatches:
    """Implements ``api.BatchApi``."""

    def __init__(self, model: AnthropicModel) -> None:
        self._model = model

    @property
    def limits(self) -> BatchLimits:
        return LIMITS

    def line(self, name: str, body: dict[str, Any]) -> bytes:
        return json.dumps({"custom_id": name, "params": body}, ensure_ascii=False).encode("utf-8", "replace")

    async def submit(self, lines: Iterable[bytes], token: str) -> str:
        client = await self._model.client()
        content = joined(lines, b",", b'{"requests":[', b"]}")
        with self._model.faults():
            response = await client.post(
                PATH, cast_to=_raw(), content=content, options={"timeout": UPLOAD_SECONDS},
            )  # fmt: skip
        return str(json.loads(response.content)["id"])

    async def find(self, token: str, since: float, requests: int) -> str | None:
        """The API keeps no token: of the batches of as many requests, the one made closest to then is taken for it, and the
        names of its requests will tell."""

        def wanted(batch: Any) -> bool:
            counts = batch.request_counts
            total = counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired
            return bool(batch.created_at.timestamp() >= since - 60 and total == requests)

        def apart(batch: Any) -> float:
            return abs(float(batch.created_at.timestamp()) - since)

        latest = (await self._model.client()).messages.batches.list(limit=LATEST)
        with self._model.faults():
            found: list[Any] = await among_latest(latest, wanted)
        return str(min(found, key=apart).id) if found else None

    async def look(self, batch: str) -> BatchStatus:
        client = await self._model.client()
        with self._model.faults():
            found = await client.messages.batches.retrieve(batch)
        counts = found.request_counts
        return BatchStatus(found.processing_status == "ended", counts.succeeded + counts.errored, results=(batch,))

    async def results(self, status: BatchStatus) -> AsyncIterator[BatchLine]:
        client = await self._model.client()
        for batch in status.results:
            with self._model.faults():
                async for row in await client.messages.batches.results(batch, timeout=UPLOAD_SECONDS):
                    yield self._read(row.to_dict(mode="json"))

    def _read(self, row: dict[str, Any]) -> BatchLine:
        try:
            name, result = str(row["custom_id"]), row["result"]
            if result["type"] == "succeeded":
                return BatchLine(name, result["message"])
            if result["type"] == "errored":
                return BatchLine(name, error=self._error(result["error"].get("error") or {}))
            return BatchLine(name)
        except (LookupError, TypeError, AttributeError) as error:
            shown = json.dumps(row)[:120]
            raise TransientError(
                f"{self._model.id}: a batch's results cannot be read: {shown}", "malformed_reply"
            ) from error

    def _error(self, fault: dict[str, Any]) -> ModelError:
        kind = str(fault.get("type"))
        return as_if_direct(self._model.id, STATUS.get(kind, 500), fault.get("message"), kind)

    async def cancel(self, batch: str) -> None:
        client = await self._model.client()
        with self._model.faults():
            await client.messages.batches.cancel(batch)


def _raw() -> Any:
    import httpx2

    return httpx2.Response
