"""What a run that asks by a provider's batches holds in memory while its questions wait.

    python -m benchmarks.batches [--prompts 500] [--json] [--save]

A server on loopback speaks the batch API and gives answers of 200 tokens. The default pipeline (one answer, six principles)
runs with a quarter of the prompts, with all of them at the default of ``batch.prompts``, and with all of them at once."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measure import command_line, report, run, table, write_prompts
from tests.support.server import Server, serve


def generate(folder: Path, server: Server, prompts: int, at_once: int | None) -> dict[str, float]:
    write_prompts(folder / "prompts.jsonl", prompts)
    model = {"name": "openai:test-model", "base_url": server.url, "api_key_env": "BATCH_KEY", "batch": True}
    batch = {"poll": 0.2} | ({} if at_once is None else {"prompts": at_once})
    file = folder / "run.yaml"
    file.write_text(json.dumps({"prompts": "prompts.jsonl", "models": {"policy": model}, "batch": batch}))
    command = [sys.executable, "-m", "constitutional", "generate", str(file), "--out", str(folder / "run")]
    server.reset()
    done = run([*command, "--quiet", "--json"], BATCH_KEY="x")
    result = json.loads(done.stdout)
    sizes = server.stats()["batches"]
    return {
        "prompts": result["prompts"], "calls": result["calls_made"], "batches": len(sizes), "largest": max(sizes),
        "peak_mb": done.peak_mb, "seconds": done.seconds,
    }  # fmt: skip


def measure(prompts: int) -> dict[str, Any]:
    found = {}
    kinds = {"a quarter": (prompts // 4, prompts), "default": (prompts, None), "all at once": (prompts, prompts)}
    for kind, (count, at_once) in kinds.items():
        with tempfile.TemporaryDirectory() as name, serve(reply_tokens=200, log=False) as server:
            found[kind] = generate(Path(name), server, count, at_once)
        print(kind, found[kind], file=sys.stderr)
    few, many = found["a quarter"], found["all at once"]
    each = 1000 * (many["peak_mb"] - few["peak_mb"]) / (many["largest"] - few["largest"])
    return {"prompts": prompts, "kb_per_request": each, "runs": found}


def summary(figures: dict[str, Any]) -> list[tuple[str, ...]]:
    """The lines of the README's table."""
    default = figures["runs"]["default"]
    what = f"peak memory where {default['largest']:,} questions wait for one batch"
    return [(what, f"{default['peak_mb']:.0f} MB", "none set")]


def details(figures: dict[str, Any]) -> str:
    """What stands on the benchmarks' page."""
    head = ("", "prompts", "calls", "batches", "largest", "peak memory", "time")
    rows = [
        (kind, f"{row['prompts']:,}", f"{row['calls']:,}", f"{row['batches']}", f"{row['largest']:,}",
         f"{row['peak_mb']:.0f} MB", f"{row['seconds']:.0f} s")
        for kind, row in figures["runs"].items()
    ]  # fmt: skip
    return (
        f"{table(head, rows)}\n\nOne question that waits holds {figures['kb_per_request']:.0f} kB, its text included."
    )


def main() -> None:
    parser = command_line("batches", __doc__)
    parser.add_argument("--prompts", type=int, default=500)
    options = parser.parse_args()
    report(options, measure(options.prompts), details)


if __name__ == "__main__":
    main()
