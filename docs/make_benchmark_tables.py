"""Writes the benchmark tables from benchmarks/results/*.json: ``python -m docs.make_benchmark_tables``.

They stand between ``<!-- figures: NAME -->`` and ``<!-- end -->``, on any page of ``PAGES``. The module
``benchmarks.NAME`` says what its figures mean: ``details(figures)`` is the text there, and ``summary(figures)``, where it
has one, gives the lines (what, measured, bar) of the README's table."""

from __future__ import annotations

import importlib
import json
import re
import textwrap
from pathlib import Path
from typing import Any

from benchmarks.measure import table

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
REGION = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_ALL = (ROOT / "README.md", ROOT / "benchmarks" / "README.md", *sorted((ROOT / "docs").glob("*.md")))
PAGES = tuple(path for path in _ALL if REGION.search(path.read_text("utf-8")))
IN_SUMMARY = (
    "overhead", "scale", "limits", "crash", "dataset", "startup", "viewer", "prefix", "vllm_efficiency", "batches",
    "judges", "pocket_base", "demo", "soft_labels", "evaluation", "refusals",
)  # fmt: skip
"""In this order; a benchmark that is not named here is not in the README's table."""


def filled(text: str) -> str:
    """The page with every table as the saved results have it."""
    return REGION.sub(lambda found: f"{found[1]}\n{_content(found[2])}\n\n{found[3]}", text)


def _content(name: str) -> str:
    if name == "summary":
        return _summary()
    result = _result(name)
    if result is None:
        return "No result is saved yet."
    details: str = importlib.import_module(f"benchmarks.{name}").details(result["figures"])
    return f"{_machines({name: result})}\n\n{details}"


def _summary() -> str:
    results = {name: result for name in IN_SUMMARY if (result := _result(name)) is not None}
    rows = [
        (*row, f"`python -m benchmarks.{name}`")
        for name, result in results.items()
        for row in importlib.import_module(f"benchmarks.{name}").summary(result["figures"])
    ]
    return f"{table(('what', 'measured', 'bar', 'command'), rows)}\n\n{_machines(results)}"


def _result(name: str) -> dict[str, Any] | None:
    path = RESULTS / f"{name}.json"
    found: dict[str, Any] | None = json.loads(path.read_text("utf-8")) if path.exists() else None
    return found


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


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(filled(page.read_text("utf-8")), encoding="utf-8")
