"""`kill -9` of a run, and what its next session asks again."""

from __future__ import annotations

import math
import signal
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import start
from tests.support.server import Server
from tests.support.server_process import Entry

SHAPE = ("--responses", "2", "--rounds", "2", "--strategy", "best-vs-worst", "--concurrency", "16")


@dataclass(frozen=True, slots=True)
class Kill:
    before: float
    """Just before the signal."""
    dead: float
    """When the process was surely dead."""
    waits: tuple[tuple[float, float], ...] = ()
    """(when, how long its threads had waited for a core by then), in order."""

    def stalled(self, since: float) -> float:
        """Seconds since then in which it was ready to go on and the machine was busy with something else: no process
        can keep what it had no time to read."""
        if not self.waits:
            return 0.0
        at = bisect_right(self.waits, since, key=lambda wait: wait[0])
        return self.waits[-1][1] - self.waits[max(0, at - 1)][1]


def arguments(server: Server, prompts: Path, out: Path) -> tuple[str, ...]:
    where = ("--model", "openai:test-model", "--base-url", server.url, "--prompts", str(prompts), "--out", str(out))
    return (*where, *SHAPE)


def kill_after(server: Server, calls: int, command: Sequence[str]) -> Kill | None:
    """Start a run and kill it once the server has had so many requests. None if it had finished by then."""
    process = start("--quiet", *command)
    seen = server.stats()["requests"]
    waits = []
    while process.poll() is None and server.stats()["requests"] < seen + calls:
        waits.append((time.time(), waited(process.pid)))
        time.sleep(0.002)
    waits.append((time.time(), waited(process.pid)))
    finished = process.poll() is not None
    before = time.time()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return None if finished else Kill(before, time.time(), tuple(waits))


def waited(pid: int) -> float:
    """Seconds that the threads of a process were ready to run and had no core, as Linux counts them; elsewhere 0."""
    total = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            total += int(path.read_text().split()[1])
        except (OSError, IndexError):
            continue  # the thread has ended
    return total / 1e9


def lost(log: Sequence[Entry], kills: Sequence[Kill], *, by_the_clock: bool = False) -> dict[str, float]:
    """Digest → how long before the kill it had its answer, of each request that was sent again all the same: without the
    time in which it was ready to run and had no core, unless by the clock. The kill is that of the process which asked:
    the server may still answer one that is dead."""
    last = {entry["digest"]: entry["received"] for entry in sorted(log, key=lambda entry: entry["received"])}
    ages: dict[str, float] = {}
    for entry in log:
        name, sent = entry["digest"], entry["sent"]
        if entry["whole"] and sent is not None and last[name] > sent:
            kill = next((kill for kill in kills if kill.dead > entry["received"]), None)
            age = math.inf if kill is None else kill.before - sent
            if kill is not None and age > 0 and not by_the_clock:
                age = max(0.0, age - kill.stalled(sent))
            if kill is None or kill.before > sent:
                ages[name] = max(age, ages.get(name, 0.0))
    return ages
