"""How many calls at once a vLLM engine with a small cache should be given, and what it takes by itself.

    python -m benchmarks.places [--prompts 48] [--principles 12] [--in-flight 16,64,256] [--cache 20000] [--runs 3]
        [--json] [--save]

Dialogues of some five hundred tokens, two answers each, and a judge who compares them under every principle in both orders:
the calls of a prompt share a beginning, and the engine's cache holds the beginnings of a few prompts only. The same run
with fixed numbers in flight and with the number that the engine gives itself, in turns, each in a process of its own. Time
counts from the first reply to the last."""

from __future__ import annotations

import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measure import command_line, median, numbers, report, run, table
from benchmarks.prefix import VOCABULARY, text_of, write_constitution
from constitutional.ledger import LedgerView
from tests.support.tiny_model import make_tiny_model

CONTEXT = 2048
LAYERS, HIDDEN = 4, 256
OWN = "the engine's own"


def write_dialogues(path: Path, count: int) -> None:
    with path.open("w") as file:
        for number in range(count):
            source = random.Random(number)
            turns = [("user", 120), ("assistant", 200), ("user", 80)]
            messages = [{"role": role, "content": text_of(words, source)} for role, words in turns]
            file.write(json.dumps({"prompt": messages}) + "\n")


def run_once(folder: Path, name: str, in_flight: str, engine: dict[str, Any]) -> dict[str, float]:
    policy = {"name": f"vllm:{folder / 'model'}", "max_tokens": 32, "options": {"engine": engine}}
    config: dict[str, Any] = {
        "prompts": "prompts.jsonl", "constitution": "many.yaml", "models": {"policy": policy},
        "responses": 2, "rounds": 0, "strategy": "all-pairs", "max_failure_rate": 1.0, "out": name,
    }  # fmt: skip
    if in_flight != OWN:
        config["concurrency"] = int(in_flight)
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(config))
    run([sys.executable, "-m", "constitutional", "generate", str(folder / f"{name}.yaml"), "--quiet"])
    with LedgerView(folder / name / "run.db") as view:
        select = "SELECT COUNT(*), SUM(prompt_tokens), SUM(cached_tokens), MAX(at) - MIN(at) FROM calls"
        ((calls, tokens, cached, seconds),) = view.rows(select)
    return {"calls": calls, "tokens_per_call": tokens / calls, "cached": cached / tokens, "seconds": seconds}


def measure(prompts: int, principles: int, in_flight: list[int], cache: int, runs: int) -> dict[str, Any]:
    kinds = [*map(str, in_flight), OWN]
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_tiny_model(folder / "model", hidden=HIDDEN, layers=LAYERS, context=CONTEXT, text=VOCABULARY)
        shape = json.loads((folder / "model" / "config.json").read_text())
        wide = shape["num_key_value_heads"] * shape["hidden_size"] // shape["num_attention_heads"]
        engine = {"enforce_eager": True, "dtype": "float32", "max_model_len": CONTEXT}
        engine |= {"kv_cache_memory_bytes": cache * 2 * LAYERS * wide * 4}
        write_constitution(folder / "many.yaml", principles)
        write_dialogues(folder / "prompts.jsonl", prompts)
        for number in range(runs):
            for place, kind in enumerate(kinds):
                found[kind].append(run_once(folder, f"run-{place}-{number}", kind, engine))
                print(kind, found[kind][-1], file=sys.stderr)
    medians = {kind: {key: median([one[key] for one in rows]) for key in rows[0]} for kind, rows in found.items()}
    best = min(medians[kind]["seconds"] for kind in kinds[:-1])
    ratios = [
        own["seconds"] / min(found[kind][number]["seconds"] for kind in kinds[:-1])
        for number, own in enumerate(found[OWN])
    ]
    return {
        "prompts": prompts, "principles": principles, "cache": cache, "runs": runs, "medians": medians,
        "best": best, "ratio": median(ratios),
    }  # fmt: skip


def details(figures: dict[str, Any]) -> str:
    """What stands on the benchmarks' page."""
    head = ("calls in flight", "calls", "tokens per prompt", "from the cache", "time")
    rows = [
        (kind, f"{row['calls']:,.0f}", f"{row['tokens_per_call']:,.0f}", f"{row['cached']:.1%}", f"{row['seconds']:.1f} s")
        for kind, row in figures["medians"].items()
    ]  # fmt: skip
    return (
        f"{table(head, rows)}\n\n{figures['prompts']} prompts, {figures['principles']} principles, a cache of "
        f"{figures['cache']:,} tokens; medians of {figures['runs']} runs in turns. The engine's own number takes "
        f"{figures['ratio']:.2f} of the time of the best of the others."
    )


def main() -> None:
    parser = command_line("places", __doc__)
    parser.add_argument("--prompts", type=int, default=48)
    parser.add_argument("--principles", type=int, default=12)
    parser.add_argument("--in-flight", type=numbers, default="16,64,256")
    parser.add_argument("--cache", type=int, default=20_000, help="tokens that it holds")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    figures = measure(options.prompts, options.principles, options.in_flight, options.cache, options.runs)
    report(options, figures, details)


if __name__ == "__main__":
    main()
