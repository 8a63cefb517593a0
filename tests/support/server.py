"""An HTTP server on loopback that plays the OpenAI chat and Anthropic messages APIs, with faults on request.

It runs as its own process (``server_process``), so that a test may kill its client and a benchmark may measure one. An
answer depends on the request alone, a fault on the request, its attempt and a seed: equal runs get equal answers."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.replies import Behaviour
from tests.support.server_process import Entry


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
    command = [sys.executable, "-m", "tests.support.server_process", f"--port={port}"]
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
