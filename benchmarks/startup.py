"""How long the command line takes to be there.

    python -m benchmarks.startup [--runs 20] [--json] [--save]

Each command is a process of its own, started so many times, after once that is not counted; beside them a Python that
does nothing. `generate` is timed from the start of its process to its first request, as the server on loopback sees it:
configuration, plugins, templates, the run folder, the ledger and the connection are in between."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measure import command_line, median, report, run, table, write_prompts
from benchmarks.overhead import generate
from tests.support.server import serve

COMMANDS = {
    "python -c pass": ("-c", "pass"),
    "constitutional --help": ("-m", "constitutional", "--help"),
    "constitutional --version": ("-m", "constitutional", "--version"),
    "constitutional generate --help": ("-m", "constitutional", "generate", "--help"),
    "constitutional principles list": ("-m", "constitutional", "principles", "list"),
}
FIRST_CALL = "constitutional generate"


def took(arguments: tuple[str, ...], runs: int) -> list[float]:
    """Seconds, once for each run."""
    run([sys.executable, *arguments])
    return [run([sys.executable, *arguments]).seconds for _ in range(runs)]


def first_calls(runs: int) -> list[float]:
    with tempfile.TemporaryDirectory() as folder, serve() as server:
        prompts = Path(folder, "prompts.jsonl")
        write_prompts(prompts, 1)
        seconds = []
        for number in range(runs + 1):
            server.reset()
            began = generate(server, prompts, Path(folder, f"run{number}"), 4).began
            seconds.append(min(entry["received"] for entry in server.log()) - began)
    return seconds[1:]


def measure(runs: int) -> dict[str, Any]:
    found = {name: took(arguments, runs) for name, arguments in COMMANDS.items()} | {FIRST_CALL: first_calls(runs)}
    shown = {name: {"median_ms": 1000 * median(times), "best_ms": 1000 * min(times)} for name, times in found.items()}
    return {"runs": runs, "commands": shown}


def summary(figures: dict[str, Any]) -> list[tuple[str, ...]]:
    """The lines of the README's table."""
    help_ms, first_ms = (figures["commands"][name]["median_ms"] for name in ("constitutional --help", FIRST_CALL))
    return [
        ("`constitutional --help`", f"{help_ms:.0f} ms", "< 150 ms"),
        ("`constitutional generate`, from its start to its first call", f"{first_ms:.0f} ms", "none set"),
    ]


def details(figures: dict[str, Any]) -> str:
    """What stands on the benchmarks' page."""
    rows = [
        (f"`{name}`", f"{row['median_ms']:.0f} ms", f"{row['best_ms']:.0f} ms")
        for name, row in figures["commands"].items()
    ]
    return (
        f"{table(('', 'median', 'best'), rows)}\n\n{figures['runs']} runs of each; `{FIRST_CALL}` up to its first call."
    )


def main() -> None:
    parser = command_line("startup", __doc__)
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args()
    report(options, measure(options.runs), details)


if __name__ == "__main__":
    main()
