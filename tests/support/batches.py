"""The batch APIs of OpenAI and Anthropic for the loopback server: files, batches, delays, failures, expiry.

Every request of a batch is answered just as it would be by itself; what is different is when, and what may happen to it
before: it expires, or meets an error of the server."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

FILES, BATCHES, MESSAGE_BATCHES = "/v1/files", "/v1/batches", "/v1/messages/batches"
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
BOUNDARY = re.compile(rb"boundary=\"?([^\";\r\n]+)")

Settle = Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]]]
"""Path and body of a request → status and JSON of its answer; status 0: it expired."""


@dataclass
class Batch:
    id: str
    anthropic: bool
    made: float
    lines: list[dict[str, Any]]
    metadata: dict[str, str]
    ends: float
    refused: str | None = None
    cancelled: float | None = None
    results: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)

    def ended(self, now: float) -> bool:
        return self.cancelled is not None or now >= self.ends


class BatchRoom:
    """All batches of a server. ``hand`` is how a request is answered."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, Batch] = {}
        self.times: Counter[str] = Counter()
        """How often a request was in a batch, by its digest."""

    def owns(self, path: str) -> bool:
        return path.startswith((FILES, BATCHES, MESSAGE_BATCHES))

    def answer(
        self,
        method: str,
        path: str,
        query: str,
        head: bytes,
        raw: bytes,
        delay: float,
        most: int | None,
        settle: Settle,
    ) -> bytes:
        """Raises LookupError for what does not exist, ValueError for what cannot be read."""
        parts = path.split("/")[2:]
        if path == FILES and method == "POST":
            name = f"file-{len(self.files)}"
            self.files[name] = _uploaded(head, raw)
            return _json({"id": name, "object": "file", "bytes": len(self.files[name]), "created_at": int(time.time()),
                          "filename": "batch.jsonl", "purpose": "batch", "status": "processed"})  # fmt: skip
        if path.startswith(FILES):
            return self.files[parts[1]]
        anthropic = path.startswith(MESSAGE_BATCHES)
        parts = parts[1:] if anthropic else parts
        if len(parts) == 1 and method == "POST":
            return self._made(anthropic, json.loads(raw), delay, most, settle)
        if len(parts) == 1:
            return self._listed(anthropic, query)
        batch = self.batches[parts[1]]
        if parts[2:] == ["cancel"]:
            batch.cancelled = batch.cancelled or time.time()
        if parts[2:] == ["results"]:
            return b"".join(_json(line) + b"\n" for line in _message_results(batch))
        return _json(self._shown(batch))

    def holds(self, path: str, raw: bytes, mark: bytes) -> bool:
        """Whether a batch that is to be made contains this text."""
        if path == BATCHES and raw:
            return mark in self.files[json.loads(raw)["input_file_id"]]
        return mark in raw

    def stats(self) -> dict[str, Any]:
        return {
            "batches": [len(batch.lines) for batch in self.batches.values()],
            "batched_twice": sum(times > 1 for times in self.times.values()),
        }

    def _made(self, anthropic: bool, wanted: dict[str, Any], delay: float, most: int | None, settle: Settle) -> bytes:
        if anthropic:
            lines = wanted["requests"]
        else:
            lines = [json.loads(line) for line in self.files[wanted["input_file_id"]].splitlines()]
        names = [line["custom_id"] for line in lines]
        if len(set(names)) < len(names):
            raise ValueError("custom_id must be unique")
        now = time.time()
        name = f"{'msgbatch' if anthropic else 'batch'}_{len(self.batches)}"
        batch = Batch(name, anthropic, now, lines, wanted.get("metadata") or {}, now + delay)
        self.batches[name] = batch
        if most is not None and len(lines) > most:
            batch.refused = f"Enqueued token limit reached: more than {most} requests"
            return _json(self._shown(batch))
        for line in lines:
            path, body = (MESSAGES, line["params"]) if anthropic else (line["url"], line["body"])
            self.times[json.dumps(body, sort_keys=True)] += 1
            batch.results.append((line["custom_id"], *settle(path, body)))
        return _json(self._shown(batch))

    def _listed(self, anthropic: bool, query: str) -> bytes:
        of = [batch for batch in reversed(self.batches.values()) if batch.anthropic == anthropic]
        most = int(parse_qs(query).get("limit", ["20"])[0])
        return _json({"object": "list", "data": [self._shown(batch) for batch in of[:most]], "has_more": False})

    def _shown(self, batch: Batch) -> dict[str, Any]:
        return self._message_batch(batch) if batch.anthropic else self._batch(batch)

    def _batch(self, batch: Batch) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": batch.id, "object": "batch", "endpoint": CHAT, "completion_window": "24h", "input_file_id": "file-0",
            "created_at": int(batch.made), "metadata": batch.metadata, "status": "in_progress",
            "request_counts": {"total": len(batch.lines), "completed": 0, "failed": 0},
        }  # fmt: skip
        if batch.refused is not None:
            fault = {"code": "token_limit_exceeded", "message": batch.refused, "line": None, "param": None}
            return shown | {"status": "failed", "errors": {"object": "list", "data": [fault]}}
        if batch.ended(time.time()):
            good = [_line(row) for row in batch.results if row[1] == 200 and not _late(batch)]
            bad = [_line(row) for row in batch.results if row[1] != 200 or _late(batch)]
            if _late(batch):
                bad = [_line((name, 0, {})) for name, _, _ in batch.results]
            for key, rows in (("output_file_id", good), ("error_file_id", bad)):
                if rows:
                    shown[key] = f"{batch.id}-{key}"
                    self.files[shown[key]] = b"".join(_json(row) + b"\n" for row in rows)
            expired = any(status == 0 for _, status, _ in batch.results)
            shown["status"] = "cancelled" if batch.cancelled else "expired" if expired else "completed"
        return shown

    def _message_batch(self, batch: Batch) -> dict[str, Any]:
        made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(batch.made))
        ended = batch.ended(time.time())
        counts = Counter(_kind(batch, status) for _, status, _ in batch.results)
        named = {kind: counts[kind] if ended else 0 for kind in ("succeeded", "errored", "canceled", "expired")}
        return {
            "id": batch.id, "type": "message_batch", "processing_status": "ended" if ended else "in_progress",
            "request_counts": named | {"processing": 0 if ended else len(batch.lines)}, "created_at": made,
            "expires_at": made, "ended_at": made if ended else None, "archived_at": None, "cancel_initiated_at": None,
            "results_url": f"{MESSAGE_BATCHES}/{batch.id}/results" if ended else None,
        }  # fmt: skip


def _late(batch: Batch) -> bool:
    """Cancelled before anything was answered."""
    return batch.cancelled is not None and batch.cancelled < batch.ends


def _kind(batch: Batch, status: int) -> str:
    if _late(batch):
        return "canceled"
    return {200: "succeeded", 0: "expired"}.get(status, "errored")


def _line(row: tuple[str, int, dict[str, Any]]) -> dict[str, Any]:
    name, status, body = row
    line: dict[str, Any] = {"id": f"batch_req_{name}", "custom_id": name, "response": None, "error": None}
    if status == 0:
        return line | {"error": {"code": "batch_expired", "message": "This request could not be executed in time."}}
    return line | {"response": {"status_code": status, "request_id": name, "body": body}}


def _message_results(batch: Batch) -> list[dict[str, Any]]:
    rows = []
    for name, status, body in reversed(batch.results):  # in no order that means anything
        kind = _kind(batch, status)
        result: dict[str, Any] = {"type": kind}
        if kind == "succeeded":
            result["message"] = body
        elif kind == "errored":
            result["error"] = body
        rows.append({"custom_id": name, "result": result})
    return rows


def _uploaded(head: bytes, raw: bytes) -> bytes:
    """The file of a multipart form."""
    found = BOUNDARY.search(head)
    if found is None:
        raise ValueError("the form has no boundary")
    for part in raw.split(b"--" + found[1]):
        headers, _, content = part.partition(b"\r\n\r\n")
        if b'name="file"' in headers:
            return content.removesuffix(b"\r\n")
    raise ValueError("the form has no file")


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
