"""What `kill -9` costs: how old the oldest answer is that was lost, and which calls are made twice.

    python -m benchmarks.crash [--prompts 200] [--kills 40] [--json] [--save]

An own server on loopback answers after 5 to 40 ms, 16 calls in flight. A run is killed at random moments and started
again, until the kills are spent; the last session finishes it. The server's log says which requests came again although
their answer had been sent. The dataset is compared, byte for byte, with that of a run which nobody killed."""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import command_line, median, report, table
from tests.support.kills import Kill, arguments, kill_after, lost
from tests.support.processes import fingerprint, generate, write_prompts
from tests.support.server import serve

GRACE = 0.1
"""Seconds; what was answered longer before a kill must not be asked again."""


def measure(prompts: int, kills: int, seed: int = 0) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, serve(latency_range=[0.005, 0.04]) as server:
        file = write_prompts(Path(folder, "prompts.jsonl"), prompts)
        generate(*arguments(server, file, Path(folder, "whole")))
        calls = server.stats()["unique"]
        server.reset()
        command, chance = arguments(server, file, Path(folder, "killed")), random.Random(seed)
        moments: list[Kill] = []
        began = time.monotonic()
        for _ in range(kills):
            moment = kill_after(server, chance.randrange(1, 2 * calls // kills), command)
            if moment is None:
                break
            moments.append(moment)
        generate(*command)
        log, seconds = server.log(), time.monotonic() - began
        same = fingerprint(Path(folder, "killed", "dataset")) == fingerprint(Path(folder, "whole", "dataset"))
    ages = lost(log, moments)
    return {
        "prompts": prompts,
        "kills": len(moments),
        "calls": calls,
        "requests": len(log),
        "lost": len(ages),
        "median_lost": median(list(ages.values())) if ages else 0.0,
        "oldest_lost": max(ages.values(), default=0.0),
        "oldest_by_the_clock": max(lost(log, moments, by_the_clock=True).values(), default=0.0),
        "repeated": sum(age > GRACE for age in ages.values()),
        "same_dataset": same,
        "seconds": seconds,
    }


def summary(figures: dict[str, Any]) -> list[tuple[str, ...]]:
    """The lines of the README's table."""
    oldest = f"{1000 * figures['oldest_lost']:.0f} ms"
    return [
        (f"the oldest answer lost by {figures['kills']} × `kill -9` at random moments", oldest, "< 100 ms"),
        ("calls repeated that had been answered earlier than that", str(figures["repeated"]), "0"),
    ]


def details(figures: dict[str, Any]) -> str:
    """What stands on the benchmarks' page."""
    head = (
        "kills", "calls of a whole run", "requests in all", "answers lost", "typical age", "oldest", "oldest by the clock",
        "dataset",
    )  # fmt: skip
    dataset = "the same bytes" if figures["same_dataset"] else "**another one**"
    typical, oldest, by_clock = (
        f"{1000 * figures[name]:.0f} ms" for name in ("median_lost", "oldest_lost", "oldest_by_the_clock")
    )
    row = (
        f"{figures['kills']}", f"{figures['calls']:,}", f"{figures['requests']:,}", f"{figures['lost']}", typical, oldest,
        by_clock, dataset,
    )  # fmt: skip
    return (
        f"{table(head, [row])}\n\n{figures['prompts']:,} prompts; ages are counted back from the kill, and the typical one "
        "is the median. Time in which the run was ready to go on and had no core is left out, but for the "
        "last figure. The requests beyond those of a whole run were in flight at a kill, or are of answers lost. "
        "Of what "
        f"was answered more than {GRACE:g} s before a kill, {figures['repeated']} were asked again."
    )


def main() -> None:
    parser = command_line("crash", __doc__)
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--kills", type=int, default=40)
    options = parser.parse_args()
    report(options, measure(options.prompts, options.kills), details)


if __name__ == "__main__":
    main()
