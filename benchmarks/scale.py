"""Whether a prompt costs the same in a large run as in a small one.

    python -m benchmarks.scale [--sizes 2000,20000,100000] [--json] [--save]

The scripted model, the default pipeline (one answer, six principles, one round), the dataset written at the end. Each
size is a process of its own; the largest run is then resumed when it is finished."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measure import Run, command_line, numbers, report, run, table, write_prompts


def generate(prompts: Path, out: Path) -> Run:
    command = [sys.executable, "-m", "constitutional", "generate", "--model", "scripted:demo", "--quiet", "--json"]
    return run([*command, "--prompts", str(prompts), "--out", str(out)])


def measure(sizes: list[int]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            prompts, out = Path(folder, f"{size}.jsonl"), Path(folder, f"run{size}")
            write_prompts(prompts, size)
            done = generate(prompts, out)
            result = json.loads(done.stdout)
            figures[str(size)] = {
                "seconds": round(done.seconds, 2),
                "ms_per_prompt": round(1000 * done.seconds / size, 4),
                "calls": result["calls_made"],
                "pairs": result["pairs"],
                "peak_mb": round(done.peak_mb, 1),
                "ledger_mb": round((out / "run.db").stat().st_size / 1e6, 1),
            }
            print(size, figures[str(size)], file=sys.stderr)
        again = generate(prompts, out)
        assert json.loads(again.stdout)["calls_made"] == 0
        figures["resume"] = {"prompts": size, "seconds": round(again.seconds, 2), "peak_mb": round(again.peak_mb, 1)}
        print("resume", figures["resume"], file=sys.stderr)
    first, last = figures[str(sizes[0])], figures[str(sizes[-1])]
    figures["time_ratio"] = round(last["ms_per_prompt"] / first["ms_per_prompt"], 3)
    figures["memory_ratio"] = round(last["peak_mb"] / first["peak_mb"], 3)
    return figures


def summary(figures: dict[str, Any]) -> list[tuple[str, ...]]:
    """The lines of the README's table."""
    sizes = sizes_of(figures)
    shown = " / ".join(f"{int(size):,}" for size in sizes)
    peaks = " / ".join(f"{figures[size]['peak_mb']:.0f}" for size in sizes)
    first, last, again = f"{int(sizes[0]):,}", f"{int(sizes[-1]):,}", figures["resume"]
    slower, time = f"× {figures['time_ratio']:.2f}", f"{again['seconds']:.1f} s, {again['peak_mb']:.0f} MB"
    return [
        (f"peak memory with {shown} prompts", f"{peaks} MB", "< 200 MB, flat"),
        (f"time per prompt: {last} prompts against {first}", slower, "none set"),
        (f"a complete run of {again['prompts']:,} prompts, run again", time, "none set"),
    ]


def details(figures: dict[str, Any]) -> str:
    """What stands on the benchmarks' page."""
    head = ("prompts", "time", "per prompt", "calls", "pairs", "peak memory", "run.db")
    rows = [
        (
            f"{int(size):,}", f"{row['seconds']:,.1f} s", f"{row['ms_per_prompt']:.2f} ms", f"{row['calls']:,}",
            f"{row['pairs']:,}", f"{row['peak_mb']:.0f} MB", f"{row['ledger_mb']:,.0f} MB",
        )
        for size in sizes_of(figures)
        for row in [figures[size]]
    ]  # fmt: skip
    again = figures["resume"]
    return (
        f"{table(head, rows)}\n\nFrom the smallest to the largest: time per prompt × {figures['time_ratio']:.2f}, memory × "
        f"{figures['memory_ratio']:.2f}. The largest, complete, run again: {again['seconds']:.1f} s, "
        f"{again['peak_mb']:.0f} MB."
    )


def sizes_of(figures: dict[str, Any]) -> list[str]:
    return sorted((key for key in figures if key.isdigit()), key=int)


def main() -> None:
    parser = command_line("scale", __doc__)
    parser.add_argument("--sizes", type=numbers, default="2000,20000,100000")
    options = parser.parse_args()
    report(options, measure(options.sizes), details)


if __name__ == "__main__":
    main()
