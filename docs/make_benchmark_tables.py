"""Writes the benchmark tables from benchmarks/results/*.json: ``python -m docs.make_benchmark_tables``.

They stand in README.md and benchmarks/README.md between ``<!-- figures: NAME -->`` and ``<!-- end -->``."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGES = (ROOT / "README.md", ROOT / "benchmarks" / "README.md")
REGION = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
NAMES = ("overhead", "scale", "limits")
NO_BAR = "none set"


def filled(text: str) -> str:
    """The page with every table as the saved results have it."""
    results = {
        name: json.loads(path.read_text("utf-8")) for name in NAMES if (path := RESULTS / f"{name}.json").exists()
    }
    return REGION.sub(lambda found: f"{found[1]}\n{_content(found[2], results)}\n\n{found[3]}", text)


def _content(name: str, results: dict[str, Any]) -> str:
    if name == "summary":
        rows = [row for key, summary in SUMMARIES.items() if key in results for row in summary(results[key]["figures"])]
        return f"{_table(('what', 'measured', 'bar', 'command'), rows)}\n\n{_machines(results)}"
    if name not in results:
        return "No result is saved yet."
    return f"{_machines({name: results[name]})}\n\n{DETAILS[name](results[name]['figures'])}"


def _machines(results: dict[str, Any]) -> str:
    """Where and when, and which results, should they differ in that."""
    places: dict[str, list[str]] = {}
    for name, result in results.items():
        machine = result["machine"]
        versions = ", ".join(f"{package} {version}" for package, version in machine["versions"].items())
        place = (
            f"{machine['system']}, {machine['cores']} cores, Python {machine['python']}, {versions}; {machine['date']}."
        )
        places.setdefault(place, []).append(name)
    if len(places) == 1:
        return textwrap.fill(next(iter(places)), 120)
    items = [f"- {', '.join(names)}: {place}" for place, names in places.items()]
    return "\n".join(textwrap.fill(item, 120, subsequent_indent="  ") for item in items)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ("---",) * len(head), *rows))


def _command(name: str) -> str:
    return f"`python -m benchmarks.{name}`"


def _overhead_summary(figures: dict[str, Any]) -> list[tuple[str, ...]]:
    medians = figures["medians"]
    answers, whole = medians["answers only"], medians["whole pipeline"]
    floor = f"as a share of a bare loop over the same SDK, {figures['in_flight']} in flight"
    peak = max(answers["peak_mb"], whole["peak_mb"])
    return [
        (f"calls per second {floor}: answers only", f"{answers['ratio_to_floor']:.2f}", "≥ 0.9", _command("overhead")),
        ("the same of the whole pipeline", f"{whole['ratio_to_floor']:.2f}", "≥ 0.9", _command("overhead")),
        ("peak memory of that", f"{peak:.0f} MB", "< 200 MB", _command("overhead")),
    ]


def _scale_summary(figures: dict[str, Any]) -> list[tuple[str, ...]]:
    sizes = _sizes(figures)
    shown = " / ".join(f"{int(size):,}" for size in sizes)
    peaks = " / ".join(f"{figures[size]['peak_mb']:.0f}" for size in sizes)
    first, last, again = f"{int(sizes[0]):,}", f"{int(sizes[-1]):,}", figures["resume"]
    slower, time = f"× {figures['time_ratio']:.2f}", f"{again['seconds']:.1f} s, {again['peak_mb']:.0f} MB"
    return [
        (f"peak memory with {shown} prompts", f"{peaks} MB", "< 200 MB, flat", _command("scale")),
        (f"time per prompt: {last} prompts against {first}", slower, NO_BAR, _command("scale")),
        (f"a complete run of {again['prompts']:,} prompts, run again", time, NO_BAR, _command("scale")),
    ]


def _limits_summary(figures: dict[str, Any]) -> list[tuple[str, ...]]:
    poisoned = figures["poisoned"]
    lost = f"{poisoned['failures']} and {poisoned['extra_calls']}"
    times = [
        ("time with stray 429s (5 %), against the bare SDK's", "stray", "< 1.5"),
        ("time under a true limit of the rate, against the ideal", "limited", "< 1.15"),
        ("time with answers of 0.2 to 2 s, against the bare SDK's", "uneven", "< 1.05"),
    ]
    rows = [(what, f"× {figures[key]['ratio']:.2f}", bar, _command("limits")) for what, key, bar in times]
    return [
        *rows,
        ("five of 1,000 prompts always refused: lost prompts, extra calls", lost, "5 and 5", _command("limits")),
    ]


def _overhead(figures: dict[str, Any]) -> str:
    head = ("", "calls", "calls/s", "share of the bare loop", "start to first call", "CPU per call", "peak memory")
    rows = [
        (
            kind, f"{row['calls']:,.0f}", f"{row['calls_per_second']:,.0f}",
            f"{row['ratio_to_floor']:.3f}" if "ratio_to_floor" in row else "",
            f"{row['start_to_first_call']:.2f} s", f"{row['cpu_ms_per_call']:.2f} ms", f"{row['peak_mb']:.0f} MB",
        )
        for kind, row in figures["medians"].items()
    ]  # fmt: skip
    return (
        f"{_table(head, rows)}\n\n{figures['prompts']:,} prompts, {figures['in_flight']} in flight. Each figure is the "
        f"median of {figures['runs']} runs in turns; the share is the median of each turn's share."
    )


def _scale(figures: dict[str, Any]) -> str:
    head = ("prompts", "time", "per prompt", "calls", "pairs", "peak memory", "run.db")
    rows = [
        (
            f"{int(size):,}", f"{row['seconds']:,.1f} s", f"{row['ms_per_prompt']:.2f} ms", f"{row['calls']:,}",
            f"{row['pairs']:,}", f"{row['peak_mb']:.0f} MB", f"{row['ledger_mb']:,.0f} MB",
        )
        for size in _sizes(figures)
        for row in [figures[size]]
    ]  # fmt: skip
    again = figures["resume"]
    return (
        f"{_table(head, rows)}\n\nFrom the smallest to the largest: time per prompt × {figures['time_ratio']:.2f}, memory × "
        f"{figures['memory_ratio']:.2f}. The largest, complete, run again: {again['seconds']:.1f} s, "
        f"{again['peak_mb']:.0f} MB."
    )


def _limits(figures: dict[str, Any]) -> str:
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
        f"{_table(('', 'time', 'to compare with', 'ratio'), rows)}\n\nMedians of {figures['runs']} runs. `limited` met "
        f"{figures['limited']['429s']:,.0f} 429s. `poisoned`: {poisoned['prompts']:,} prompts, {poisoned['failures']} "
        f"failures, {poisoned['extra_calls']} calls more than the sound prompts need."
    )


def _sizes(figures: dict[str, Any]) -> list[str]:
    return sorted((key for key in figures if key.isdigit()), key=int)


SUMMARIES = {"overhead": _overhead_summary, "scale": _scale_summary, "limits": _limits_summary}
DETAILS = {"overhead": _overhead, "scale": _scale, "limits": _limits}


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(filled(page.read_text("utf-8")), encoding="utf-8")
