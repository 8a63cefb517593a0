"""The process of the server on loopback: what comes in, what is counted, what goes out. ``replies`` says what is answered.

The protocol is written by hand because the server must be much cheaper than any client that it measures."""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import re
import signal
import socket
import stat
import struct
import time
from collections import Counter, deque
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypedDict
from urllib.parse import parse_qs

from tests.support.batches import BATCHES, MESSAGE_BATCHES, BatchRoom
from tests.support.replies import (
    CHAT,
    CREATED,
    MESSAGES,
    MODEL,
    MODELS,
    Answer,
    Behaviour,
    answer,
    completion,
    error_body,
    read_call,
    refusal,
    unit,
)

if TYPE_CHECKING:
    pass

LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
KEY = re.compile(rb"\r\n(?:authorization:[ \t]*bearer|x-api-key:)[ \t]+(\S+)", re.IGNORECASE)


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
        lost, made = self.app.behaviour.batch_lost, self.app.batches.batches
        try:
            answer = Answer(200, self.app.batch(method, path, query, head, raw))
            if made and time.time() < list(made.values())[-1].made + lost:
                return Answer(500, error_body(path, 500, "The server had an error"))
            return answer
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


if __name__ == "__main__":
    main()
