"""An HTTP server on loopback that plays the OpenAI chat and Anthropic messages APIs, with faults on request.

It runs as its own process, so that a test may kill its client and a benchmark may measure one. An answer
depends on the request alone, a fault on the request, its attempt and a seed: equal runs get equal answers.
The protocol is written by hand because the server must be much cheaper than any client that it measures.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import http.client
import json
import math
import os
import re
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
from collections import Counter, deque
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict
from urllib.parse import parse_qs

from tests.support.batches import BATCHES, MESSAGE_BATCHES, BatchRoom

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL, CREATED = "test-model", 1_700_000_000
CHAT, MESSAGES, MODELS = "/v1/chat/completions", "/v1/messages", "/v1/models"
WORDS = [f"{a}{b}" for a in ("mar", "son", "vel", "ter", "lin", "cor", "pan", "dra") for b in "aeiouy"]
OPENAI_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
ANTHROPIC_TYPES = {
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
}
ASKED = re.compile(r"(?:reply|answer) with one \w+(?: from (\d+) to (\d+)|:\s*(.+?))\.?\Z", re.IGNORECASE)
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
KEY = re.compile(rb"\r\n(?:authorization:[ \t]*bearer|x-api-key:)[ \t]+(\S+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the server does. Answers of 4xx come at once, all others and resets after the latency."""

    reply_tokens: int = 24
    latency: float = 0.0
    latency_range: list[float] | None = (
        None  # [lo, hi]: drawn by the last message alone, so that two clients meet the same delays
    )
    seed: int = 0  # of the fault shares; each share is of the attempts
    share_429: float = 0.0
    share_500: float = 0.0
    share_reset: float = 0.0  # the connection is reset and nothing is answered
    share_hang: float = 0.0  # answered after ``hang_s``
    share_truncated: float = 0.0  # 200, a consistent Content-Length, and half of the JSON
    share_wrong_shape: float = 0.0  # 200 and valid JSON that is no completion
    retry_after: float | None = None  # the header of a ``share_429``; None sends none
    hang_s: float = 3600.0
    rate_limit: float | None = None  # answers in any one second; beyond it 429, which does not count
    poison: list[str] = field(default_factory=list)  # 400 where the last user message contains one of these
    context_error: list[str] = field(default_factory=list)  # 400 context_length_exceeded
    empty: list[str] = field(default_factory=list)  # 200 and no content
    refuse_auth: bool = False
    require_key: str | None = None
    unknown_model: str | None = None
    no_logprobs: bool = False
    no_schema: bool = False  # 400 where a reply of a JSON schema is asked for
    no_batches: bool = False  # 404 at every path of the batch APIs, as of a server that has none
    batch_delay: float = 0.0  # seconds until a batch has ended
    batch_limit: int | None = (
        None  # a batch of more requests is refused, as one over OpenAI's limit of queued tokens is
    )
    batch_poison: str | None = None  # a batch is refused as it is sent where one of its requests contains this
    batch_expired: float = 0.0  # share of the requests of a batch that expire, and
    batch_500: float = 0.0  # that meet an error of the server, the first time that they are in one
    log: bool = True  # False keeps the counters only

    def __post_init__(self) -> None:
        if sum(self.shares().values()) > 1 + 1e-9:
            raise ValueError("the fault shares add up to more than 1")

    def shares(self) -> dict[str, float]:
        shares = {"429": self.share_429, "500": self.share_500, "reset": self.share_reset}
        shares |= {"hang": self.share_hang, "truncated": self.share_truncated}
        return {**shares, "wrong_shape": self.share_wrong_shape}


class Entry(TypedDict):
    """A request in the log. ``status`` stays 0 where no answer was written; ``sent`` is when the kernel had
    all of it, None where the client left before; ``whole``: it was a 200 that a client can use."""

    digest: str
    status: int
    fault: str | None
    whole: bool
    received: float
    sent: float | None
    prompt: str


@dataclass(frozen=True, slots=True)
class Call:
    """One request for a completion, as read from the body."""

    path: str
    body: dict[str, Any]
    messages: list[dict[str, Any]]
    prompt: str
    digest: str


@dataclass(frozen=True, slots=True)
class Answer:
    status: int  # 0: reset the connection
    body: bytes = b""
    delay: float = 0.0
    retry_after: float | None = None
    fault: str | None = None


def unit(*parts: str) -> float:
    """A number in [0, 1) that depends on the parts alone."""
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:8]) / 2**64


def text_of(content: Any) -> str:
    """The text of a message's content, which is a string or a list of blocks."""
    if isinstance(content, list):
        return "\n".join(str(block.get("text", "")) for block in content)
    return content if isinstance(content, str) else ""


def read_call(path: str, raw: bytes) -> Call:
    """Raises ValueError where the body is no request for a completion."""
    body = json.loads(raw)
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list) or not body["messages"]:
        raise ValueError("messages is missing")
    if body.get("stream"):
        raise ValueError("this server does not stream")
    messages = body["messages"]
    if "system" in body:
        messages = [{"role": "system", "content": body["system"]}, *messages]
    prompt = next((text_of(m["content"]) for m in reversed(messages) if m["role"] == "user"), "")
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(f"{path}\n{canonical}".encode()).hexdigest()[:32]
    return Call(path, body, messages, prompt, digest)


def error_body(path: str, status: int, message: str, code: str | None = None) -> bytes:
    error: dict[str, Any] = {"type": ANTHROPIC_TYPES.get(status, "invalid_request_error"), "message": message}
    if path == MESSAGES:
        return json.dumps({"type": "error", "error": error}).encode()
    error["type"] = "server_error" if status >= 500 else "invalid_request_error"
    return json.dumps({"error": {**error, "param": None, "code": code or OPENAI_CODES.get(status)}}).encode()


def options_asked(prompt: str) -> list[str]:
    """What the last line offers: ``reply with one letter: A or B``, ``reply with one number from 1 to 9``"""
    found = ASKED.search(prompt.rstrip().rpartition("\n")[2])
    if found is None:
        return []
    if found[1]:
        return [str(number) for number in range(int(found[1]), int(found[2]) + 1)]
    return re.split(r",\s*(?:or\s+)?|\s+or\s+", found[3])


def schema_asked(body: dict[str, Any]) -> Any:
    """The JSON schema that the reply has to follow, None where any text will do."""
    openai = body.get("response_format", {}).get("json_schema", {}).get("schema")
    return openai or body.get("output_config", {}).get("format", {}).get("schema")


def conforming(schema: Any, key: str) -> Any:
    """A value that follows a schema, as far as the toolkit's own schemas go."""
    if "enum" in schema:
        return schema["enum"][int(unit(key) * len(schema["enum"]))]
    if schema["type"] == "object":
        return {name: conforming(inner, f"{key}/{name}") for name, inner in schema["properties"].items()}
    return "because" if schema["type"] == "string" else int(10 * unit(key))


def compose(behaviour: Behaviour, call: Call) -> tuple[list[str], dict[str, float]]:
    """The reply's tokens, a function of messages, temperature, seed and model, and the probabilities of the
    first, likeliest first, a function of messages and model. A little falls on a word that is no option."""
    body = call.body
    asked = json.dumps([body.get("model"), call.messages], sort_keys=True)
    key = hashlib.sha256(asked.encode()).hexdigest()
    drawn = f"{key}/{body.get('temperature')}/{body.get('seed')}"
    if (schema := schema_asked(body)) is not None:
        text = json.dumps(conforming(schema, drawn))
        return text.split(" "), {text: 1.0}
    if not (options := options_asked(call.prompt)):
        noise = hashlib.shake_256(drawn.encode()).digest(max(1, behaviour.reply_tokens))
        first, *others = [WORDS[byte % len(WORDS)] for byte in noise]
        return [first.capitalize(), *others], {first.capitalize(): 0.9, "The": 0.1}
    weights = {option: math.exp(4 * unit(key, option)) for option in options}
    total = sum(weights.values())
    ranked = sorted(options, key=weights.__getitem__, reverse=True)
    left = 0.0 if body.get("temperature") == 0 else total * unit(drawn)
    choice = ranked[0]
    for choice in ranked:
        left -= weights[choice]
        if left < 0:
            break
    return [choice], {**{option: 0.98 * weights[option] / total for option in ranked}, "The": 0.02}


def completion(behaviour: Behaviour, call: Call) -> bytes:
    """The body of a 200. A word counts as a token, and all messages before the last one as cached."""
    words, first = compose(behaviour, call)
    if any(mark in call.prompt for mark in behaviour.empty):
        words = []
    most = call.body.get("max_completion_tokens") or call.body.get("max_tokens") or len(words)
    cut, text = len(words) > most, " ".join(words[:most])
    counts = [len(text_of(message["content"]).split()) for message in call.messages]
    cached, prompted, replied = sum(counts[:-1]), sum(counts), min(len(words), most)
    reply: dict[str, Any] = {"id": f"reply-{call.digest[:24]}", "model": call.body.get("model")}
    if call.path == MESSAGES:
        reply |= {"type": "message", "role": "assistant", "stop_sequence": None}
        reply["content"] = [{"type": "text", "text": text}] if text else []
        reply["stop_reason"] = "max_tokens" if cut else "end_turn"
        usage = {"input_tokens": prompted - cached, "output_tokens": replied}
        reply["usage"] = {**usage, "cache_read_input_tokens": cached, "cache_creation_input_tokens": 0}
        return json.dumps(reply).encode()
    logprobs = None
    if call.body.get("logprobs") and words and not behaviour.no_logprobs:
        tokens = {t: {"token": t, "logprob": math.log(p), "bytes": [*t.encode()]} for t, p in first.items()}
        top = list(tokens.values())[: call.body.get("top_logprobs") or 0]
        logprobs = {"content": [{**tokens[words[0]], "top_logprobs": top}]}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "logprobs": logprobs}
    reply["choices"] = [{**choice, "finish_reason": "length" if cut else "stop"}]
    reply |= {"object": "chat.completion", "created": CREATED}
    usage = {"prompt_tokens": prompted, "completion_tokens": replied, "total_tokens": prompted + replied}
    reply["usage"] = {**usage, "prompt_tokens_details": {"cached_tokens": cached}}
    return json.dumps(reply).encode()


def refusal(behaviour: Behaviour, call: Call) -> Answer | None:
    """An answer of 4xx that this request always gets."""
    model = call.body.get("model")
    if model is not None and model == behaviour.unknown_model:
        return Answer(404, error_body(call.path, 404, f"The model `{model}` does not exist"))
    if behaviour.no_schema and schema_asked(call.body) is not None:
        return Answer(400, error_body(call.path, 400, "this model cannot be held to a schema"))
    if any(mark in call.prompt for mark in behaviour.poison):
        return Answer(400, error_body(call.path, 400, "The request was rejected", "invalid_prompt"))
    if any(mark in call.prompt for mark in behaviour.context_error):
        message = "prompt is too long: this model's maximum context length is 4096 tokens"
        return Answer(400, error_body(call.path, 400, message, "context_length_exceeded"))
    return None


def fault_of(behaviour: Behaviour, digest: str, attempt: int) -> str | None:
    draw = unit(str(behaviour.seed), digest, str(attempt))
    for fault, share in behaviour.shares().items():
        draw -= share
        if draw < 0:
            return fault
    return None


def answer(behaviour: Behaviour, call: Call, attempt: int) -> Answer:
    """The answer to a request that was not refused, with the fault that falls on this attempt."""
    lo, hi = behaviour.latency_range or (behaviour.latency, behaviour.latency)
    delay = lo + (hi - lo) * unit("latency", call.prompt)
    fault = fault_of(behaviour, call.digest, attempt)
    if fault == "429":
        return Answer(429, error_body(call.path, 429, "Too many requests"), 0, behaviour.retry_after, fault)
    if fault == "500":
        return Answer(500, error_body(call.path, 500, "The server had an error"), delay, fault=fault)
    if fault == "reset":
        return Answer(0, b"", delay, fault=fault)
    body = completion(behaviour, call)
    if fault == "hang":
        delay = behaviour.hang_s
    elif fault == "truncated":
        body = body[: len(body) // 2]
    elif fault == "wrong_shape":
        body = b'{"ok": true}' if attempt % 2 else b'{"choices": [], "content": null}'
    return Answer(200, body, delay, fault=fault)


class Tally:
    """What was asked and answered since the start or the last reset."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()
        self.attempts: Counter[str] = Counter()
        self.answered: dict[str, float] = {}
        self.repeat_gaps: list[float] = []  # for a request that had its whole answer: how long since
        self.window: deque[float] = deque()
        self.requests = self.vanished = self.peak_in_flight = 0
        self.log: list[Entry] = []
        self.marks: list[dict[str, Any]] = []

    def over_limit(self, limit: float, now: float) -> bool:
        span = max(1.0, 1.0 / limit)
        while self.window and self.window[0] <= now - span:
            self.window.popleft()
        if len(self.window) + 1 > limit * span + 1e-9:
            return True
        self.window.append(now)
        return False

    def finish(self, entry: Entry) -> None:
        entry["sent"] = now = time.time()
        entry["whole"] = entry["status"] == 200 and entry["fault"] in (None, "hang")
        if entry["whole"]:
            self.answered.setdefault(entry["digest"], now)


class App:
    """The state that all connections share."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.tally = Tally()
        self.in_flight = self.connections = 0
        self.batches = BatchRoom()

    def batch(self, method: str, path: str, query: str, head: bytes, raw: bytes) -> bytes:
        behaviour = self.behaviour
        poison = behaviour.batch_poison
        if poison and path.startswith((BATCHES, MESSAGE_BATCHES)) and self.batches.holds(path, raw, poison.encode()):
            raise ValueError("requests.0.params: invalid")
        return self.batches.answer(
            method, path, query, head, raw, behaviour.batch_delay, behaviour.batch_limit, self.batched
        )

    def batched(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The answer to one request of a batch."""
        behaviour, call = self.behaviour, read_call(path, json.dumps(body).encode())
        if self.batches.times[json.dumps(body, sort_keys=True)] == 1:
            draw = unit(str(behaviour.seed), call.digest, "batch")
            if draw < behaviour.batch_expired:
                return 0, {}
            if draw < behaviour.batch_expired + behaviour.batch_500:
                return 500, json.loads(error_body(path, 500, "The server had an error"))
        reply = refusal(behaviour, call)
        return (reply.status, json.loads(reply.body)) if reply else (200, json.loads(completion(behaviour, call)))

    def control(self, path: str, query: str, raw: bytes) -> Any:
        """Raises LookupError for an unknown path, ValueError or TypeError for what cannot be configured."""
        tally = self.tally
        if path == "/stats":
            grace = float(parse_qs(query).get("grace", ["0.1"])[0])
            return {
                "requests": tally.requests,
                "unique": len(tally.attempts),
                "statuses": tally.statuses,
                "faults": tally.faults,
                "vanished": tally.vanished,  # the client closed before its answer was written
                "repeats_after_sent": sum(gap > grace for gap in tally.repeat_gaps),
                "in_flight": self.in_flight,
                "peak_in_flight": tally.peak_in_flight,
                "connections": self.connections,
                **self.batches.stats(),
            }
        if path == "/log":
            return {"requests": tally.log, "marks": tally.marks}
        if path == "/reset":
            self.tally, self.batches = Tally(), BatchRoom()
        elif path == "/configure":
            self.behaviour = replace(self.behaviour, **json.loads(raw))
        elif path == "/mark":
            tally.marks.append({"name": json.loads(raw)["name"], "at": time.time()})
            return tally.marks[-1]
        else:
            raise LookupError(f"no such path: {path}")
        return {}


class Connection(asyncio.Protocol):
    """A keep-alive connection: one request at a time, those sent ahead wait in the buffer."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.buffer = bytearray()
        self.transport: asyncio.Transport
        self.current: tuple[Entry, Tally] | None = None
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=0)  # so that resume_writing means: all is written
        self.app.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.app.connections -= 1
        if self.timer is not None:
            self.timer.cancel()
        if self.current is not None:
            self.current[1].vanished += 1
            self.current = None
            self.app.in_flight -= 1

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self.take_requests()

    def take_requests(self) -> None:
        while self.current is None and not self.transport.is_closing():
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self.buffer[:end])
            length = int(found[1]) if (found := LENGTH.search(head)) else 0
            if len(self.buffer) < end + 4 + length:
                return
            raw = bytes(self.buffer[end + 4 : end + 4 + length])
            del self.buffer[: end + 4 + length]
            self.dispatch(head, raw)

    def dispatch(self, head: bytes, raw: bytes) -> None:
        method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        path, _, query = target.partition("?")
        if method == "POST" and path in (CHAT, MESSAGES):
            self.complete(path, head, raw)
        elif self.app.batches.owns(path):
            self.write(self.batch(method, path, query, head, raw))
        elif path == MODELS:
            refused = self.unauthorised(path, head)
            model = {"id": MODEL, "object": "model", "created": CREATED, "owned_by": "tests"}
            self.write(refused or Answer(200, json.dumps({"object": "list", "data": [model]}).encode()))
        else:
            try:
                self.write(Answer(200, json.dumps(self.app.control(path, query, raw)).encode()))
            except (LookupError, TypeError, ValueError) as error:
                status = 404 if isinstance(error, LookupError) else 400
                self.write(Answer(status, error_body(path, status, str(error))))

    def batch(self, method: str, path: str, query: str, head: bytes, raw: bytes) -> Answer:
        if (refused := self.unauthorised(path, head)) is not None:
            return refused
        if self.app.behaviour.no_batches:
            return Answer(404, b'{"detail": "Not Found"}')
        try:
            return Answer(200, self.app.batch(method, path, query, head, raw))
        except (LookupError, ValueError, TypeError) as error:
            status = 404 if isinstance(error, LookupError) else 400
            return Answer(status, error_body(path, status, str(error)))

    def unauthorised(self, path: str, head: bytes) -> Answer | None:
        needed, found = self.app.behaviour.require_key, KEY.search(head)
        given = found and found[1].decode("latin-1")
        if (needed is None or needed == given) and not self.app.behaviour.refuse_auth:
            return None
        return Answer(401, error_body(path, 401, "Incorrect API key provided"))

    def complete(self, path: str, head: bytes, raw: bytes) -> None:
        app, tally, now = self.app, self.app.tally, time.time()
        app.in_flight += 1
        tally.peak_in_flight = max(tally.peak_in_flight, app.in_flight)
        tally.requests += 1
        entry = Entry(digest="", status=0, fault=None, whole=False, received=now, sent=None, prompt="")
        self.current = entry, tally
        if app.behaviour.log:
            tally.log.append(entry)
        reply = self.unauthorised(path, head)
        try:
            call = read_call(path, raw)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            self.send(reply or Answer(400, error_body(path, 400, f"Could not read the request: {error}")))
            return
        entry["digest"], entry["prompt"] = call.digest, call.prompt
        if (before := tally.answered.get(call.digest)) is not None:
            tally.repeat_gaps.append(now - before)
        tally.attempts[call.digest] += 1
        reply = reply or refusal(app.behaviour, call)
        if reply is None and app.behaviour.rate_limit and tally.over_limit(app.behaviour.rate_limit, now):
            reply = Answer(429, error_body(path, 429, "Rate limit reached"), 0, 1, "rate_limit")
        reply = reply or answer(app.behaviour, call, tally.attempts[call.digest])
        if reply.fault is not None:
            entry["fault"] = reply.fault
            tally.faults[reply.fault] += 1
        if reply.delay > 0:
            self.timer = asyncio.get_running_loop().call_later(reply.delay, self.send_late, reply)
        else:
            self.send(reply)

    def send_late(self, reply: Answer) -> None:
        self.timer = None
        self.send(reply)
        self.take_requests()

    def send(self, reply: Answer) -> None:
        if self.current is None or self.transport.is_closing():
            return
        entry, tally = self.current
        if reply.status == 0:
            self.current = None
            self.app.in_flight -= 1
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
            return
        entry["status"] = reply.status
        tally.statuses[reply.status] += 1
        self.write(reply)
        if self.transport.get_write_buffer_size() == 0 and not self.transport.is_closing():
            self.sent()

    def write(self, reply: Answer) -> None:
        phrase = http.client.responses[reply.status]
        more = "" if reply.retry_after is None else f"Retry-After: {reply.retry_after:g}\r\n"
        head = f"HTTP/1.1 {reply.status} {phrase}\r\nContent-Type: application/json\r\n{more}"
        head += f"Content-Length: {len(reply.body)}\r\n\r\n"
        self.transport.write(head.encode() + reply.body)

    def sent(self) -> None:
        if self.current is not None:
            entry, tally = self.current
            self.current = None
            self.app.in_flight -= 1
            tally.finish(entry)

    def resume_writing(self) -> None:
        self.sent()
        self.take_requests()


async def run(port: int, behaviour: Behaviour) -> None:
    """Serves until SIGTERM, SIGINT, or the end of stdin where that is a pipe: then the parent is gone."""
    loop, stop, app = asyncio.get_running_loop(), asyncio.Event(), App(behaviour)

    def read_stdin() -> None:
        if not os.read(0, 4096):
            stop.set()

    server = await loop.create_server(lambda: Connection(app), "127.0.0.1", port, backlog=1024)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if stat.S_ISFIFO(os.fstat(0).st_mode):
        loop.add_reader(0, read_stdin)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await stop.wait()
    server.close()


def flag_value(text: str) -> Any:
    """A flag's value is JSON, or else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def main() -> None:
    parser = argparse.ArgumentParser(description="A server that plays model APIs on loopback.")
    parser.add_argument("--port", type=int, default=0)
    for setting in fields(Behaviour):
        flag = f"--{setting.name.replace('_', '-')}"
        parser.add_argument(flag, type=flag_value, default=argparse.SUPPRESS, metavar="JSON")
    given = vars(parser.parse_args())
    asyncio.run(run(given.pop("port"), Behaviour(**given)))


class Server:
    """A running server, as seen by the test that started it."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port
        self.anthropic_url = f"http://127.0.0.1:{port}"
        self.url = f"{self.anthropic_url}/v1"

    def ask(self, method: str, path: str, body: object = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise ValueError(answer["error"]["message"])
        return answer

    def stats(self, grace: float = 0.1) -> dict[str, Any]:
        """Counters; ``repeats_after_sent``: requests whose whole answer had been out for over ``grace`` s."""
        stats: dict[str, Any] = self.ask("GET", f"/stats?grace={grace}")
        return stats

    def log(self) -> list[Entry]:
        entries: list[Entry] = self.ask("GET", "/log")["requests"]
        return entries

    def mark(self, name: str) -> float:
        """Puts a mark in the log; its time, by the clock of the log."""
        return float(self.ask("POST", "/mark", {"name": name})["at"])

    def marks(self) -> dict[str, float]:
        return {mark["name"]: mark["at"] for mark in self.ask("GET", "/log")["marks"]}

    def reset(self) -> None:
        """Forgets counters, log, marks and attempts, and keeps the behaviour."""
        self.ask("POST", "/reset")

    def configure(self, **behaviour: Any) -> None:
        """Changes these settings and keeps the others."""
        self.ask("POST", "/configure", behaviour)

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


@contextmanager
def serve(port: int = 0, **behaviour: Any) -> Iterator[Server]:
    """A server process with this Behaviour, stopped at the end of the block."""
    Behaviour(**behaviour)  # a wrong setting fails here and not in the child
    command = [sys.executable, "-m", "tests.support.server", f"--port={port}"]
    command += [f"--{name.replace('_', '-')}={json.dumps(value)}" for name, value in behaviour.items()]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        start_new_session=True,  # Ctrl-C in the test's process group does not reach it
    )
    with process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the server did not start: {' '.join(command)}")
        server = Server(process, json.loads(line)["port"])
        try:
            yield server
        finally:
            server.stop()


if __name__ == "__main__":
    main()
