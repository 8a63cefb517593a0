"""``generate --metrics-port``: how a run is going, as Prometheus text on this machine's own address.

The numbers are the live display's, read from a thread while the run changes them: a dictionary is copied in one step
before it is gone through, and a number that is a call old is right enough."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from constitutional.errors import UsageError
from constitutional.models.throttle import Throttle
from constitutional.pipeline.state import RunState

HOST, PATH = "127.0.0.1", "/metrics"
TYPE = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[dict[str, str], float]


class Metrics:
    """Listens from ``__enter__`` on, so that a port that is taken is said before a call is made."""

    def __init__(self, port: int) -> None:
        self._wanted = port
        self._server: ThreadingHTTPServer | None = None
        self.state: RunState | None = None

    def begin(self, state: RunState) -> None:
        self.state = state

    @property
    def address(self) -> str:
        assert self._server is not None
        return f"http://{HOST}:{self._server.server_address[1]}{PATH}"

    def __enter__(self) -> Metrics:
        metrics = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = self.path.partition("?")[0] in (PATH, "/")
                text = metrics.text() if found else f"the metrics are at {PATH}\n"
                body = text.encode("utf-8", "replace")
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", TYPE)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """The run's own output is on this terminal."""

        try:
            self._server = ThreadingHTTPServer((HOST, self._wanted), Handler)
        except OSError as error:
            raise UsageError(
                f"--metrics-port {self._wanted}: {error.strerror}: choose another, or 0 for any that is free"
            ) from error
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def text(self) -> str:
        return "" if self.state is None else "".join(_lines(self.state))


def _lines(state: RunState) -> Iterator[str]:
    yield from _family("prompts", "counter", "Prompts finished, also by earlier sessions.", [({}, state.prompts)])
    if state.total is not None:
        yield from _family("prompts_expected", "gauge", "Prompts that there are.", [({}, state.total)])
    yield from _family("prompts_per_second", "gauge", "In this session.", [({}, state.rate)])
    yield from _family("pairs", "counter", "Pairs made.", [({}, state.pairs)])
    yield from _family("failures", "counter", "Prompts that went wrong.", [({}, state.failures)])
    rejects = [({"reason": reason}, float(count)) for reason, count in sorted(state.rejects.items())]
    yield from _family("rejects", "counter", "What was dropped, by reason.", rejects)
    yield from _of_calls(state)
    # Two connections to one model (a policy and a judge with other settings) are one line: a scraper wants each once.
    throttles: dict[str, list[Throttle]] = {}
    for throttle in list(state.throttles.values()):
        throttles.setdefault(throttle.name, []).append(throttle)
    flight = [({"model": model}, float(sum(one.active for one in found))) for model, found in throttles.items()]
    yield from _family("calls_in_flight", "gauge", "Calls that a model is answering.", flight)
    waiting = [({"model": model}, float(sum(one.waiting for one in found))) for model, found in throttles.items()]
    yield from _family("calls_waiting", "gauge", "Calls that wait for a place or for a retry.", waiting)
    retries = [
        ({"model": model, "reason": reason}, float(count))
        for model, found in throttles.items()
        for reason, count in sorted(sum((one.retries for one in found), Counter()).items())
    ]
    yield from _family("errors", "counter", "Calls that failed and were tried again, by reason.", retries)


def _of_calls(state: RunState) -> Iterator[str]:
    counts = sorted(state.meter.counts.items())
    names = [({"role": role, "model": model}, count) for (role, model), count in counts]
    made = [(labels, float(count.made)) for labels, count in names]
    yield from _family("calls", "counter", "Calls that a model answered in this session.", made)
    reused = [(labels, float(count.reused)) for labels, count in names]
    yield from _family("calls_reused", "counter", "Calls that the ledger answered.", reused)
    tokens = [
        (labels | {"kind": kind}, float(value))
        for labels, count in names
        for kind, value in (("prompt", count.prompt), ("cached", count.cached), ("completion", count.completion))
    ]
    yield from _family("tokens", "counter", "Tokens of these calls; cached ones are prompt tokens too.", tokens)
    cost = [(labels, count.cost) for labels, count in names]
    yield from _family("cost", "counter", "What these calls cost, in the unit of the prices.", cost)


def _family(name: str, kind: str, words: str, samples: list[Sample]) -> Iterator[str]:
    whole = f"constitutional_{name}{'_total' if kind == 'counter' else ''}"
    yield f"# HELP {whole} {words}\n# TYPE {whole} {kind}\n"
    for labels, value in samples:
        inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        yield f"{whole}{'{' + inside + '}' if inside else ''} {value:.10g}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
