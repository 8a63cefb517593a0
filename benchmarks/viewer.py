"""How fast `constitutional view` is over a million pairs.

    python -m benchmarks.viewer [--pairs 1000000] [--runs 9] [--json] [--save]

A ledger is written with that many pairs, four to a prompt, in the shape of a real run's traces; words are drawn as they
occur in language (few are common, most are rare). The index is built by a process of its own, and each page is asked of
the real server over loopback: what is timed is what a browser waits for before it can draw."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from hashlib import blake2b
from itertools import accumulate
from pathlib import Path
from typing import Any

from benchmarks.measure import command_line, median, report, run, table
from constitutional.core.codec import to_json
from constitutional.core.records import Judgement, Message, Pair, Prompt, Response, Ruling, TierOpinion, Trace
from constitutional.ledger import RunFolder, create_or_check

PER_PROMPT = 4
VOCABULARY = 60_000
RARE_TAG = "one-in-ten-thousand"
TIERS = (("safety", "no-serious-harm"), ("honesty", "honest"), ("style", "brief"))
BAR = 200
BUILD = """
import sys, time
from pathlib import Path
from constitutional.view.indexing import Index
began = time.monotonic()
index = Index(Path(sys.argv[1]) / "run.db", Path(sys.argv[1]) / "view.db")
index.sync()
index.close()
print(time.monotonic() - began)
"""


def write_run(folder: Path, pairs: int) -> None:
    """The settings of a small real run, and traces made up."""
    command = [sys.executable, "-m", "constitutional", "generate", "--out", str(folder), "--limit", "1", "--quiet"]
    run(command)
    ledger = RunFolder(folder).ledger
    create_or_check(ledger)
    connection = sqlite3.connect(ledger, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    (plan,) = connection.execute("SELECT value FROM meta WHERE key='plan'").fetchone()
    connection.execute("BEGIN")
    connection.execute("DELETE FROM traces")
    rows = ((t.prompt.id, f"{plan}:x", 1, at, "paired", PER_PROMPT, str(at), to_json(t)) for at, t in traces(pairs))
    connection.executemany("INSERT INTO traces VALUES (?,?,?,?,?,?,?,?)", rows)
    connection.execute("COMMIT")
    connection.close()


def traces(pairs: int) -> Iterator[tuple[int, Trace]]:
    draw = random.Random(0)
    words = [f"{chr(97 + n % 26)}{blake2b(str(n).encode(), digest_size=4).hexdigest()}" for n in range(VOCABULARY)]
    weights = list(accumulate(1 / (place + 2) for place in range(VOCABULARY)))

    def text(length: int) -> str:
        return " ".join(draw.choices(words, cum_weights=weights, k=length))

    for at in range(pairs // PER_PROMPT):
        name = f"{at:016x}"
        tags = ("even",) if at % 2 else ("odd", RARE_TAG) if at % 10_000 == 0 else ("odd",)
        prompt = Prompt(name, (Message("user", f"question {at} {text(12)}"),), tags, None, f"prompts.jsonl:{at}")
        answers = [Response(f"{name}.{n}", name, text(60), "a-model", n, "") for n in range(PER_PROMPT + 1)]
        judgements, made = [], []
        for other in answers[1:]:
            p = round(draw.random() / 2 + 0.5, 3)
            tier, _ = TIERS[draw.choices(range(3), (6, 3, 1))[0]]
            judgements += [
                Judgement(name + ".0", other.id, principle, p, p, p, True, "logprobs") for _, principle in TIERS
            ]
            ruling = Ruling(answers[0].id, other.id, p, tier, (TierOpinion(tier, p),))
            made.append(Pair(name, answers[0], other, p, abs(2 * p - 1), "all-pairs", ruling, "logprobs"))
        rulings = tuple(pair.ruling for pair in made)
        yield at, Trace(prompt, tuple(answers), judgements=tuple(judgements), rulings=rulings, pairs=tuple(made))


def pages(pairs: int) -> dict[str, str]:
    rare = f"question+{pairs // PER_PROMPT - 7}"
    return {
        "first page": "0/",
        "least sure first": "0/?order=margin",
        "chosen longer first": "0/?order=longer",
        "newest first": "0/?order=newest",
        "a page in the middle": f"0/?after={pairs // PER_PROMPT // 2},{pairs // 2}",
        "by tier (a tenth of all)": "0/?tier=style&order=margin",
        "by principle and tag": "0/?principle=honest&tag=even",
        "by a rare tag": f"0/?tag={RARE_TAG}&order=margin",
        "margins from 0.40 to 0.41": "0/?low=0.4&high=0.41&order=surest",
        "search: a word in most pairs": "0/?q=question",
        "search: a rare word": f"0/?q={rare}",
        "a trace": "0/trace?prompt=0000000000000001&n=2",
    }


def measure(pairs: int, runs: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "run")
        write_run(folder, pairs)
        print("written", file=sys.stderr)
        built = run([sys.executable, "-c", BUILD, str(folder)])
        seconds = float(built.stdout)
        figures: dict[str, Any] = {
            "pairs": pairs,
            "index": {
                "seconds": round(seconds, 1),
                "pairs_per_second": round(pairs / seconds),
                "peak_mb": round(built.peak_mb, 1),
                "mb": round((folder / "view.db").stat().st_size / 1e6),
                "ledger_mb": round((folder / "run.db").stat().st_size / 1e6),
            },
        }
        print(figures, file=sys.stderr)
        return figures | {"runs": runs, **_asked(folder, pairs, runs)}


def _asked(folder: Path, pairs: int, runs: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "constitutional", "view", str(folder), "--port", "0", "--json"]
    began = time.monotonic()
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = json.loads(server.stdout.readline())["address"]
        ready = time.monotonic() - began
        first = _took(address + "0/")
        found = {}
        for name, path in pages(pairs).items():
            times = [_took(address + path) for _ in range(runs)]
            found[name] = {"median_ms": round(1000 * median(times), 1), "most_ms": round(1000 * max(times), 1)}
            print(f"{name:<32} {found[name]}", file=sys.stderr)
        return {"ready_s": round(ready, 2), "cold_ms": round(1000 * first, 1), "pages": found}
    finally:
        server.terminate()
        server.communicate()


def _took(address: str) -> float:
    began = time.monotonic()
    with urllib.request.urlopen(address) as answer:
        text = answer.read().decode()
    seconds = time.monotonic() - began
    assert 'class="row"' in text or "comparison" in text, address
    return seconds


def summary(figures: dict[str, Any]) -> list[tuple[str, ...]]:
    """The lines of the README's table."""
    first = figures["pages"]["first page"]["median_ms"]
    slowest = max(page["median_ms"] for page in figures["pages"].values())
    return [
        (f"`constitutional view`, first page of {figures['pairs']:,} pairs", f"{first:.0f} ms", f"< {BAR} ms"),
        ("the slowest of its filters, orders and searches", f"{slowest:.0f} ms", "none set"),
    ]


def details(figures: dict[str, Any]) -> str:
    """What stands on the benchmarks' page."""
    index = figures["index"]
    rows = [(name, f"{one['median_ms']:.0f} ms", f"{one['most_ms']:.0f} ms") for name, one in figures["pages"].items()]
    return (
        f"{table(('page', 'median', 'slowest'), rows)}\n\n{figures['pairs']:,} pairs, {figures['runs']} requests of each "
        f"over loopback; the very first of the server's life took {figures['cold_ms']:.0f} ms. The index of "
        f"{index['mb']:,} MB is built once from a ledger of {index['ledger_mb']:,} MB: {index['seconds']:.0f} s, "
        f"{index['pairs_per_second']:,} pairs a second, at most {index['peak_mb']:.0f} MB of memory; the list can be read "
        "while it grows."
    )


def main() -> None:
    parser = command_line("viewer", __doc__)
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args()
    report(options, measure(options.pairs, options.runs), details)


if __name__ == "__main__":
    main()
