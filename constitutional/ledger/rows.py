"""What is written to run.db, one class a table."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from constitutional.core.codec import to_json
from constitutional.core.records import Trace

Statement = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class CallRow:
    key: str
    role: str
    model: str
    request: Any
    reply: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cost: float
    seconds: float
    at: float

    def statements(self) -> list[Statement]:
        """Run by the writer's thread: compressing there keeps it off the event loop."""
        request = zlib.compress(json.dumps(self.request, ensure_ascii=False).encode("utf-8", "surrogatepass"), 1)
        return [
            (
                "INSERT OR IGNORE INTO calls VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                (
                    bytes.fromhex(self.key), self.role, self.model, request, self.reply, self.prompt_tokens,
                    self.completion_tokens, self.cached_tokens, self.cost, self.seconds, self.at,
                ),
            )
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class TraceRow:
    """A finished prompt with its pairs and rejects: they replace whatever an earlier plan left."""

    trace: Trace
    state: str
    session: int
    position: int
    body: str

    @classmethod
    def of(cls, trace: Trace, state: str, session: int, position: int) -> TraceRow:
        """Raises TypeError or ValueError where a record holds what JSON or UTF-8 cannot: a plugin put it there."""
        body = to_json(trace)
        body.encode()
        return cls(trace, state, session, position, body)

    def statements(self) -> list[Statement]:
        trace, prompt_id = self.trace, self.trace.prompt.id
        named = blake2b(self.body.encode(), digest_size=16).hexdigest()
        row = (self.state, self.session, self.position, trace.status, len(trace.pairs), named, self.body)
        replace: list[Statement] = [
            ("DELETE FROM pairs WHERE prompt_id=?", (prompt_id,)),
            ("DELETE FROM rejects WHERE prompt_id=?", (prompt_id,)),
            ("INSERT OR REPLACE INTO traces VALUES (?,?,?,?,?,?,?,?)", (prompt_id, *row)),
        ]
        pairs: list[Statement] = [
            (
                "INSERT INTO pairs VALUES (?,?,?,?,?,?)",
                (prompt_id, n, pair.p_chosen, pair.margin, pair.strategy, pair.ruling.tier_id),
            )
            for n, pair in enumerate(trace.pairs)
        ]
        rejects: list[Statement] = [
            (
                "INSERT INTO rejects VALUES (?,?,?,?,?)",
                (prompt_id, n, reject.reason, reject.detail, int(reject.failure)),
            )
            for n, reject in enumerate(trace.rejects)
        ]
        return replace + pairs + rejects


@dataclass(frozen=True, slots=True)
class SeenRow:
    """A prompt that an earlier session finished under the same plan."""

    prompt_id: str
    session: int
    position: int

    def statements(self) -> list[Statement]:
        return [
            (
                "UPDATE traces SET session=?, position=? WHERE prompt_id=?",
                (self.session, self.position, self.prompt_id),
            )
        ]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line of the prompt file that is no prompt, or the same prompt again."""

    session: int
    position: int
    source: str
    reason: str
    detail: str
    failure: bool

    def statements(self) -> list[Statement]:
        return [
            (
                "INSERT OR REPLACE INTO rows VALUES (?,?,?,?,?,?)",
                (self.session, self.position, self.source, self.reason, self.detail, int(self.failure)),
            )
        ]


@dataclass(frozen=True, slots=True)
class MetaRow:
    key: str
    value: str

    def statements(self) -> list[Statement]:
        """A lone surrogate, which SQLite cannot hold, is written as JSON would write it."""
        value = self.value.encode("utf-8", "backslashreplace").decode()
        return [("INSERT OR REPLACE INTO meta VALUES (?,?)", (self.key, value))]


@dataclass(frozen=True, slots=True)
class Change:
    """Any other change, at once with its neighbours."""

    done: tuple[Statement, ...]

    def statements(self) -> list[Statement]:
        return list(self.done)


Row = CallRow | TraceRow | SeenRow | BadRow | MetaRow | Change
