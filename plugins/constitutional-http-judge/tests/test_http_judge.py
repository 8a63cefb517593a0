"""Against a real server on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import constitutional_http_judge as plugin
import pytest

from constitutional import ConfigError, Judgement, RequestRefusedError, TransientError
from constitutional.testing import PRINCIPLE, Subject, Workshop, prompt, response


def lopsided(item: dict[str, Any]) -> dict[str, Any]:
    """An opinion that depends on both texts and on their order."""
    number = hashlib.blake2b(json.dumps([item["a"], item["b"]]).encode()).digest()[0]
    return {"p": number / 255, "note": "So it is."}


@dataclass
class Service:
    verdict: Callable[[dict[str, Any]], Any] = lopsided
    statuses: list[int] = field(default_factory=list)
    """What the next requests are answered with; then 200."""
    sizes: list[int] = field(default_factory=list)
    keys: set[str | None] = field(default_factory=set)
    url: str = ""


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            items = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["items"]
            made.sizes.append(len(items))
            made.keys.add(self.headers["Authorization"])
            status = made.statuses.pop(0) if made.statuses else 200
            self.send_response(status)
            if status == 429:
                self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(json.dumps({"verdicts": [made.verdict(item) for item in items]}).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}/judge"
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def subject(service: Service) -> Subject:
    return Subject("judge", "http", plugin, {"url": service.url, "backoff": 0})


@pytest.mark.conformance("judge")
def test_it_conforms(conformance: Callable[[], None]) -> None:
    conformance()


def judge_all(bench: Workshop, count: int) -> list[Judgement]:
    judge = bench.make()

    async def ask() -> list[Judgement]:
        b = response("Ten minutes.", "b")
        answers = [response(f"{n} minutes.", f"a{n}") for n in range(count)]
        return list(await asyncio.gather(*(judge.judge(prompt(), a, b, PRINCIPLE) for a in answers)))

    return asyncio.run(ask())


def test_what_waits_together_goes_together_and_is_asked_once(service: Service, subject: Subject) -> None:
    bench = Workshop(subject)
    found = judge_all(bench, 20)
    assert sum(service.sizes) == 40
    assert max(service.sizes) == 16
    assert len(service.sizes) < 10
    asked = list(service.sizes)
    assert judge_all(bench, 20) == found
    assert service.sizes == asked


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_tried_again(service: Service, subject: Subject, status: int) -> None:
    service.statuses += [status, status]
    (found,) = judge_all(Workshop(subject), 1)
    assert found.p is not None
    assert len(service.sizes) == 3


def test_what_will_not_pass_is_said(service: Service, subject: Subject) -> None:
    service.statuses.append(400)
    with pytest.raises(RequestRefusedError, match="HTTP 400"):
        judge_all(Workshop(subject), 1)
    service.statuses += [500] * 5
    with pytest.raises(TransientError, match="HTTP 500"):
        judge_all(Workshop(subject), 1)


@pytest.mark.parametrize("verdict", [{"p": None}, {"p": 1.5}, {"p": True}, {"p": "0.5"}, {}, None, [0.5]])
def test_what_is_no_probability_is_no_verdict(service: Service, subject: Subject, verdict: Any) -> None:
    service.verdict = lambda item: verdict
    (found,) = judge_all(Workshop(subject), 1)
    assert found.p is None


def test_a_server_that_moved_is_the_same_judge(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_KEY", "secret")
    more = {"judge": "v1", "backoff": 0, "api_key_env": "JUDGE_KEY"}
    first = Workshop(Subject("judge", "http", plugin, {"url": service.url, **more}))
    found = judge_all(first, 2)
    moved = Subject("judge", "http", plugin, {"url": "http://127.0.0.1:9/gone", "tries": 1, **more})
    assert judge_all(Workshop(moved, ledger=first.ledger), 2) == found
    assert service.keys == {"Bearer secret"}
    assert "secret" not in str(first.ledger.rows)


def test_a_key_that_is_not_there_is_said_before_anything_is_asked(subject: Subject) -> None:
    options = {**subject.options, "api_key_env": "SURELY_NO_SUCH_KEY"}
    with pytest.raises(ConfigError, match="SURELY_NO_SUCH_KEY"):
        Workshop(Subject("judge", "http", plugin, options)).make()
