"""`kill -9` of a run, and what its next session asks again."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.processes import start
from tests.support.server import Entry, Server

SHAPE = ("--responses", "2", "--rounds", "2", "--strategy", "best-vs-worst", "--concurrency", "16")

Kill = tuple[float, float]
"""Just before the signal, and when the process was surely dead."""


def arguments(server: Server, prompts: Path, out: Path) -> tuple[str, ...]:
    where = ("--model", "openai:test-model", "--base-url", server.url, "--prompts", str(prompts), "--out", str(out))
    return (*where, *SHAPE)


def kill_after(server: Server, calls: int, command: Sequence[str]) -> Kill | None:
    """Start a run and kill it once the server has had so many requests. None if it had finished by then."""
    process = start("--quiet", *command)
    seen = server.stats()["requests"]
    while process.poll() is None and server.stats()["requests"] < seen + calls:
        time.sleep(0.002)
    finished = process.poll() is not None
    before = time.time()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return None if finished else (before, time.time())


def lost(log: Sequence[Entry], kills: Sequence[Kill]) -> dict[str, float]:
    """Digest → how long before the kill it had its answer, of each request that was sent again all the same. The kill is
    that of the process which asked: the server may still answer one that is dead."""
    last = {entry["digest"]: entry["received"] for entry in sorted(log, key=lambda entry: entry["received"])}
    ages: dict[str, float] = {}
    for entry in log:
        name, sent = entry["digest"], entry["sent"]
        if entry["whole"] and sent is not None and last[name] > sent:
            killed = next((before for before, dead in kills if dead > entry["received"]), math.inf)
            if killed > sent:
                ages[name] = max(killed - sent, ages.get(name, 0.0))
    return ages
