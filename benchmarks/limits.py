"""Behaviour under limits and slowness, against the bare SDK on the same server.

    python -m benchmarks.limits [--runs 3] [--json] [--save]

- stray: 5 % of the requests get a 429 with Retry-After 1 s, 1,000 calls; time against the bare SDK's (2 retries).
- limited: a true limit of 60 requests a second, 600 calls; time against the ideal 600 / 60 s.
- uneven: answers take 0.2 to 2 s, 1,000 calls, 64 in flight; time against the bare loop's.
- poisoned: five prompts of 1,000 always get a 400; prompts lost and extra calls."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measure import Run, command_line, median, report, table, write_prompts
from benchmarks.overhead import bare, generate
from tests.support.server import Server, serve

LIMIT, IN_FLIGHT = 60.0, 64


def calls_took(server: Server) -> float:
    """Seconds from the first request to the last usable answer: what a start of the process takes is not in it."""
    log = server.log()
    return float(max(e["sent"] or 0.0 for e in log if e["whole"]) - min(e["received"] for e in log))


def answers(server: Server, prompts: Path, out: Path) -> Run:
    return generate(server, prompts, out, IN_FLIGHT, "--rounds", "0")


def against_bare(prompts: int, runs: int, **behaviour: Any) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, serve(**behaviour) as server:
        file = Path(folder, "prompts.jsonl")
        write_prompts(file, prompts)
        ours, floor = [], []
        for number in range(runs):
            server.reset()
            bare(server, file, IN_FLIGHT)
            floor.append(calls_took(server))
            server.reset()
            answers(server, file, Path(folder, f"run{number}"))
            ours.append(calls_took(server))
        ratios = [one / base for one, base in zip(ours, floor, strict=True)]
        return {"seconds": median(ours), "bare_seconds": median(floor), "ratio": median(ratios)}


def stray(runs: int) -> dict[str, float]:
    return against_bare(1000, runs, latency=0.05, share_429=0.05, retry_after=1)


def uneven(runs: int, prompts: int = 1000) -> dict[str, float]:
    return against_bare(prompts, runs, latency_range=[0.2, 2.0])


def limited(runs: int, prompts: int = 600) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, serve(latency=0.05, rate_limit=LIMIT) as server:
        file = Path(folder, "prompts.jsonl")
        write_prompts(file, prompts)
        seconds, refused = [], []
        for number in range(runs):
            server.reset()
            answers(server, file, Path(folder, f"run{number}"))
            seconds.append(calls_took(server))
            refused.append(server.stats()["statuses"].get("429", 0))
    ideal = prompts / LIMIT
    return {
        "seconds": median(seconds),
        "ideal_seconds": ideal,
        "ratio": median(seconds) / ideal,
        "429s": median(refused),
    }


def poisoned(prompts: int = 1000, bad: int = 5) -> dict[str, Any]:
    words = [f"Question {number * 150 + 11}:" for number in range(bad)]
    with tempfile.TemporaryDirectory() as folder, serve(latency=0.01, poison=words) as server:
        file = Path(folder, "prompts.jsonl")
        write_prompts(file, prompts)
        result = json.loads(answers(server, file, Path(folder, "run")).stdout)
        statuses = server.stats()["statuses"]
    return {
        "prompts": result["prompts"],
        "failures": result["failures"],
        "rejects": result["rejects"],
        "extra_calls": sum(statuses.values()) - (prompts - bad),
        "refused": statuses.get("400", 0),
    }


def summary(figures: dict[str, Any]) -> list[tuple[str, ...]]:
    """The lines of the README's table."""
    poisoned = figures["poisoned"]
    lost = f"{poisoned['failures']} and {poisoned['extra_calls']}"
    times = [
        ("time with stray 429s (5 %), against the bare SDK's", "stray", "< 1.5"),
        ("time under a true limit of the rate, against the ideal", "limited", "< 1.15"),
        ("time with answers of 0.2 to 2 s, against the bare SDK's", "uneven", "< 1.05"),
    ]
    rows = [(what, f"× {figures[key]['ratio']:.2f}", bar) for what, key, bar in times]
    return [
        *rows,
        ("five of 1,000 prompts always refused: lost prompts, extra calls", lost, "5 and 5"),
    ]


def details(figures: dict[str, Any]) -> str:
    """What stands on the benchmarks' page."""
    rows = [
        (
            key,
            f"{row['seconds']:.2f} s",
            f"{row.get('bare_seconds', row.get('ideal_seconds')):.2f} s",
            f"{row['ratio']:.2f}",
        )
        for key in ("stray", "limited", "uneven")
        for row in [figures[key]]
    ]
    poisoned = figures["poisoned"]
    return (
        f"{table(('', 'time', 'to compare with', 'ratio'), rows)}\n\nMedians of {figures['runs']} runs. `limited` met "
        f"{figures['limited']['429s']:,.0f} 429s. `poisoned`: {poisoned['prompts']:,} prompts, {poisoned['failures']} "
        f"failures, {poisoned['extra_calls']} calls more than the sound prompts need."
    )


def main() -> None:
    parser = command_line("limits", __doc__)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    figures: dict[str, Any] = {"runs": options.runs}
    for name, work in (("stray", stray), ("limited", limited), ("uneven", uneven)):
        figures[name] = work(options.runs)
        print(name, {key: round(value, 3) for key, value in figures[name].items()}, file=sys.stderr)
    figures["poisoned"] = poisoned()
    print("poisoned", figures["poisoned"], file=sys.stderr)
    report(options, figures, details)


if __name__ == "__main__":
    main()
