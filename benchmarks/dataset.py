"""Whether a dataset of a million pairs costs more memory than one of ten thousand, and how fast it is written and pushed.

    python -m benchmarks.dataset [--sizes 10000,100000,1000000] [--json] [--save]

A ledger is filled with made-up traces: four answers a prompt, one of them revised, every two compared under three
principles, the four clearest pairs kept. `dataset/` is written from it, as a finished run does it, and pushed with the
command line to an own server on loopback that speaks the Hub's calls. Each in a process of its own; its peak memory is
what the system says."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.measure import Run, command_line, numbers, report, run, table
from constitutional.config.run import RunConfig
from constitutional.core.codec import to_json
from constitutional.core.constitution import Constitution, Force, Principle, Tier
from constitutional.core.records import (
    Critique,
    Judgement,
    Message,
    Pair,
    Prompt,
    Response,
    Revision,
    Ruling,
    TierOpinion,
    Trace,
)
from constitutional.ledger import RunFolder, TraceRow, create_or_check
from tests.support.hub import serve_hub
from tests.support.hub_store import WRITER, FakeHub

ANSWERS, KEPT, PLAN, REPO = 4, 4, "0" * 32, "user/pairs"
LIMIT_MB = 400
PRINCIPLES = ("honest", "on-topic", "brief")
FORCES: tuple[tuple[str, Force], ...] = (("safety", "hard"), ("help", "strong"), ("style", "soft"))
TIERS = tuple(
    Tier(tier, force, principles=(Principle(name, f"The answer is {name}."),))
    for (tier, force), name in zip(FORCES, PRINCIPLES, strict=True)
)
WORDS = ["".join(Random(n).choices("abcdefghijklmnopqrstuvwxyz", k=2 + n % 9)) for n in range(5000)]


def text(chance: Random, words: int) -> str:
    return " ".join(chance.choices(WORDS, k=words))


def trace(number: int) -> Trace:
    """What a run of four answers a prompt leaves of one: about 12 kB."""
    chance, name = Random(number), f"p{number:07d}"
    prompt = Prompt(name, (Message("user", text(chance, 40)),), ("shop",) if number % 5 == 0 else (), source="made:up")
    sampled = [Response(f"{name}.{n}", name, text(chance, 60), "made:up", n, "c" * 32) for n in range(ANSWERS)]
    revised = Response(f"{name}.0r1", name, text(chance, 60), "made:up", 0, "c" * 32, round=1, parent=sampled[0].id)
    critiques = [Critique(r.id, p, r is sampled[0] and p == "on-topic", "", 0.5, "logprobs", ("c" * 32,))
                 for r in sampled for p in PRINCIPLES]  # fmt: skip
    judgements, rulings = [], []
    for a, b in itertools.combinations((revised, *sampled[1:]), 2):
        said = [(chance.random(), chance.random()) for _ in PRINCIPLES]
        judgements += [Judgement.of(a, b, principle, *orders, "logprobs", ("c" * 32, "d" * 32))
                       for principle, orders in zip(PRINCIPLES, said, strict=True)]  # fmt: skip
        p = sum(said[0]) / 2
        opinions = tuple(TierOpinion(tier.id, sum(orders) / 2) for tier, orders in zip(TIERS, said, strict=True))
        rulings.append(Ruling(a.id, b.id, p, "safety", opinions))
    by_id = {response.id: response for response in (*sampled, revised)}
    clearest = sorted(rulings, key=lambda ruling: -abs((ruling.p or 0) - 0.5))[:KEPT]
    return Trace(
        prompt, (*sampled, revised), tuple(critiques),
        (Revision(sampled[0].id, revised.id, "on-topic", 1, "c" * 32),), (), tuple(judgements), tuple(rulings),
        tuple(_pair(name, ruling, by_id) for ruling in clearest),
    )  # fmt: skip


def _pair(name: str, ruling: Ruling, by_id: dict[str, Response]) -> Pair:
    p = ruling.p or 0.0
    chosen, rejected = (ruling.a, ruling.b) if p > 0.5 else (ruling.b, ruling.a)
    sure = max(p, 1 - p)
    return Pair(name, by_id[chosen], by_id[rejected], sure, 2 * sure - 1, "all-pairs", ruling, "logprobs")


def fill(folder: RunFolder, pairs: int) -> None:
    """In a process of its own: a ledger as a finished run leaves it, without the calls."""
    folder.create()
    create_or_check(folder.ledger)
    config = RunConfig.model_validate({"prompts": "made-up.jsonl", "constitution": "made-up", "responses": ANSWERS})
    constitution = Constitution("made-up", "1.0.0", TIERS)
    meta = {
        "plan": PLAN, "session": "1", "status": "complete", "config": json.dumps(config.model_dump(mode="json")),
        "constitution": to_json(constitution), "templates": "{}", "template_texts": "{}", "judge_card": "",
        "models": json.dumps({"policy": {"model": "made:up", "revision": None, "license": None}}),
    }  # fmt: skip
    connection = sqlite3.connect(folder.ledger, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    for statements in itertools.chain([list(_metas(meta))], _grouped(pairs // KEPT)):
        connection.execute("BEGIN")
        for statement, values in statements:
            connection.execute(statement, values)
        connection.execute("COMMIT")
    connection.close()


def _metas(meta: dict[str, str]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for item in meta.items():
        yield "INSERT INTO meta VALUES (?, ?)", item


def _grouped(prompts: int, size: int = 200) -> Iterator[list[tuple[str, tuple[Any, ...]]]]:
    for start in range(0, prompts, size):
        rows = [TraceRow.of(trace(n), f"{PLAN}:{n}", 1, n) for n in range(start, min(prompts, start + size))]
        yield [statement for row in rows for statement in row.statements()]


def write(folder: Path) -> None:
    """In a process of its own: what `generate` does when a run ends."""
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    from constitutional.dataset.write import write_dataset

    began = time.monotonic()
    write_dataset(RunFolder(folder), complete=True)
    print(json.dumps({"seconds": time.monotonic() - began}))


def push(folder: Path, hub: FakeHub, home: Path) -> Run:
    """As a user does it."""
    command = [
        sys.executable,
        "-m",
        "constitutional",
        "push",
        str(folder),
        REPO,
        "--accept-ungated",
        "--quiet",
        "--json",
    ]
    own = {"HF_ENDPOINT": hub.url, "HF_TOKEN": WRITER, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
    return run(command, **own, HF_HOME=str(home))


def measure(sizes: list[int]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as place:
            figures[str(size)] = _measure(size, Path(place))
            print(size, figures[str(size)], file=sys.stderr)
    first, last = figures[str(sizes[0])], figures[str(sizes[-1])]
    figures["memory_ratio"] = round(last["peak_mb"] / first["peak_mb"], 3)
    return figures


def _measure(size: int, place: Path) -> dict[str, Any]:
    folder = RunFolder(place / "run")
    own = [sys.executable, "-m", "benchmarks.dataset"]
    run([*own, "--fill", str(folder.path), "--sizes", str(size)])
    done = run([*own, "--write", str(folder.path)])
    seconds = json.loads(done.stdout)["seconds"]
    manifest = json.loads((folder.dataset / "manifest.json").read_text("utf-8"))
    rows = sum(split["rows"] for splits in manifest["subsets"].values() for split in splits.values())
    with serve_hub(place / "hub") as hub:
        pushed = push(folder.path, hub, place / "home")
        arrived = {path: blob for path, blob in hub.head(REPO).items() if path.startswith("preference/")}
        pairs = sum(_rows(hub.stored(blob.sha256 or "")) for blob in arrived.values())
    assert pairs == size, f"{pairs} pairs arrived"
    return {
        "prompts": size // KEPT,
        "rows": rows,
        "seconds": round(seconds, 2),
        "rows_per_second": round(rows / seconds),
        "pairs_per_second": round(size / seconds),
        "peak_mb": round(done.peak_mb, 1),
        "shards": len(arrived),
        "pushed_mb": round(json.loads(pushed.stdout)["bytes"] / 1e6, 1),
        "push_seconds": round(pushed.seconds, 2),
        "push_peak_mb": round(pushed.peak_mb, 1),
        "ledger_mb": round(folder.ledger.stat().st_size / 1e6, 1),
    }


def _rows(path: Path) -> int:
    import pyarrow.parquet as pq

    count: int = pq.read_metadata(path).num_rows
    return count


def summary(figures: dict[str, Any]) -> list[tuple[str, ...]]:
    """The lines of the README's table."""
    sizes = sizes_of(figures)
    shown = " / ".join(f"{int(size):,}" for size in sizes)
    peaks, pushed = (" / ".join(f"{figures[size][key]:.0f}" for size in sizes) for key in ("peak_mb", "push_peak_mb"))
    last = figures[sizes[-1]]
    return [
        (f"peak memory of writing {shown} pairs", f"{peaks} MB", f"< {LIMIT_MB} MB, flat"),
        ("peak memory of pushing them", f"{pushed} MB", f"< {LIMIT_MB} MB, flat"),
        (f"rows written per second, of {int(sizes[-1]):,} pairs", f"{last['rows_per_second']:,}", "none set"),
    ]


def details(figures: dict[str, Any]) -> str:
    """What stands on the benchmarks' page."""
    head = (
        "pairs", "rows of all subsets", "run.db", "written in", "rows per second", "peak memory", "shards of pairs",
        "pushed", "in", "peak memory of the push",
    )  # fmt: skip
    rows = [
        (
            f"{int(size):,}", f"{row['rows']:,}", f"{row['ledger_mb']:,.0f} MB", f"{row['seconds']:,.1f} s",
            f"{row['rows_per_second']:,}", f"{row['peak_mb']:.0f} MB", f"{row['shards']}",
            f"{row['pushed_mb']:,.0f} MB", f"{row['push_seconds']:,.1f} s", f"{row['push_peak_mb']:.0f} MB",
        )
        for size in sizes_of(figures)
        for row in [figures[size]]
    ]  # fmt: skip
    return f"{table(head, rows)}\n\nFrom the smallest to the largest: memory × {figures['memory_ratio']:.2f}."


def sizes_of(figures: dict[str, Any]) -> list[str]:
    return sorted((key for key in figures if key.isdigit()), key=int)


def main() -> None:
    parser = command_line("dataset", __doc__)
    parser.add_argument("--sizes", type=numbers, default="10000,100000,1000000")
    parser.add_argument("--fill", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fill is not None:
        fill(RunFolder(options.fill), options.sizes[0])
        return
    if options.write is not None:
        write(options.write)
        return
    report(options, measure(options.sizes), details)


if __name__ == "__main__":
    main()
