"""`constitutional view` as a process of its own, asked as a browser asks it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.processes import environment

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class Viewing:
    address: str

    def get(self, path: str, **headers: str) -> Reply:
        return ask(urllib.request.Request(self.address + path, headers=headers))

    def post(self, path: str, value: Any, **headers: str) -> Reply:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return ask(urllib.request.Request(self.address + path, body, headers, method="POST"))


def ask(request: urllib.request.Request) -> Reply:
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Reply(answer.status, dict(answer.headers.items()), answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, dict(error.headers.items()), error.read().decode())


@contextmanager
def viewing(*runs: Path, annotator: str = "me") -> Iterator[Viewing]:
    command = [sys.executable, "-m", "constitutional", "view", *map(str, runs), "--port", "0", "--json", "--annotator"]
    process = subprocess.Popen([*command, annotator], stdout=subprocess.PIPE, text=True, env=environment())
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the viewer ended before it said where it is"
        yield Viewing(json.loads(line)["address"])
    finally:
        process.terminate()
        process.communicate(timeout=60)


def chromium() -> str | None:
    """Where a Chromium is; `CONSTITUTIONAL_CHROMIUM` names one that is elsewhere."""
    given = os.environ.get("CONSTITUTIONAL_CHROMIUM")
    return given or next((path for name in CHROMIUM if (path := shutil.which(name))), None)
