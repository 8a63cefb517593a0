"""How much of vLLM's own throughput a whole run reaches.

    python -m benchmarks.vllm_efficiency [--prompts 72,24,216] [--runs 3] [--model NAME] [--engine JSON]
        [--profile] [--json] [--save]

A run (answers, critiques, revisions, scores, judgements, interleaved) is made with an in-process vLLM, and what reaches the
engine is recorded: token ids and sampling parameters. Then the very same requests go straight to an ``AsyncLLM`` of its
own process, all at once and in the same order, with nothing else to do. Prompt and generated tokens per second are compared,
from the first request to the last reply. Each is a fresh process with a cold cache, in turns. The first number of prompts is
the one that the bar is for; the others, once each, show what a run's end costs, in which calls wait for others of their
prompt and the engine is not full: much of a short run, little of a long one.

``--profile`` shows instead which functions the event loop's thread of a run spends its time in.

Without ``--model`` a model is made on the spot, for a CPU. On a GPU name a real one:
``--model Qwen/Qwen3-4B-Instruct-2507 --engine '{"max_model_len": 8192}' --prompts 512``."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import pickle
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.event_loop import profiled
from benchmarks.measure import command_line, median, numbers, report, table, write_prompts

CPU_ENGINE = {"enforce_eager": True, "dtype": "float32", "max_model_len": 2048, "max_num_seqs": 64}
PROFILE = "profile.md"
FAULT = re.compile(r"^(?:\((?P<process>\w+)[^)]*\).*\] )?(?P<words>[\w.]*(?:Error|Exception|Interrupt|error): .*)")
"""A line of a log that names what was raised, by a process of vLLM's or by the child itself."""
WORDS = ["polite", "short", "honest about what it does not know", "free of numbers"]


def config_of(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    principles = [{"id": f"rule-{n}", "statement": f"The answer is {word}."} for n, word in enumerate(WORDS)]
    tiers = [{"id": "all", "force": "soft", "principles": principles}]
    (folder / "rules.yaml").write_text(json.dumps({"name": "rules", "tiers": tiers}))
    policy = {"name": f"vllm:{options.model}", "max_tokens": options.max_tokens, "options": {"engine": options.engine}}
    return {
        "prompts": str(folder / "prompts.jsonl"), "constitution": "rules.yaml", "models": {"policy": policy},
        "responses": 2, "strategy": "best-vs-worst", "max_failure_rate": 1.0,
    }  # fmt: skip


def ours(folder: Path, out: Path, profile: bool) -> dict[str, float]:
    """A run, with every request that reaches the engine written down."""
    from constitutional.config.run import RunConfig
    from constitutional.ledger import RunFolder
    from constitutional.models.vllm import VLLMModel
    from constitutional.pipeline.run import run_prompts
    from constitutional.plugins import PluginHost

    requests: list[tuple[float, list[int], Any]] = []
    ends: list[float] = []
    cpu: list[float] = []
    tokens = [0, 0]
    generate = VLLMModel._generate

    async def recording(self: VLLMModel, engine: Any, prompt: list[int], params: Any) -> Any:
        if not requests:
            cpu.append(time.process_time())
        requests.append((time.monotonic(), prompt, params))
        output = await generate(self, engine, prompt, params)
        ends.append(time.monotonic())
        if len(ends) % 50 == 0 or len(ends) == len(requests):  # to ask costs as much as a small call
            cpu.append(time.process_time())
        tokens[0] += len(output.prompt_token_ids)
        tokens[1] += len(output.outputs[0].token_ids)
        return output

    VLLMModel._generate = recording  # type: ignore[method-assign]
    config = RunConfig.model_validate(json.loads((folder / "config.json").read_text()))
    run_folder = RunFolder(out / "run")
    run_folder.create()
    run = run_prompts(config, run_folder, PluginHost(), folder)
    if profile:
        _, account = profiled(run)
        (out / PROFILE).write_text(account)
    else:
        asyncio.run(run)
    requests.sort(key=lambda request: request[0])
    (folder / "requests.pickle").write_bytes(pickle.dumps([(prompt, params) for _, prompt, params in requests]))
    begins, places = [request[0] for request in requests], config.models["policy"].options["engine"].get("max_num_seqs")
    spare = {} if places is None else {"time_with_free_places": not_full(begins, ends, int(places))}
    return _figures(ends[-1] - begins[0], tokens[0], tokens[1], len(requests), cpu[-1] - cpu[0]) | spare


def bare(folder: Path, engine: dict[str, Any], model: str) -> dict[str, float]:
    """The recorded requests, straight to an engine that is started just as a run starts its own."""
    from constitutional.models.vllm_engine import SharedEngine

    shared = SharedEngine(model, model, None, engine)
    requests = pickle.loads((folder / "requests.pickle").read_bytes())

    async def run() -> dict[str, float]:
        from vllm.inputs import tokens_input

        llm = await shared.engine.get()
        tokens = [0, 0]

        async def ask(number: int, prompt: list[int], params: Any) -> None:
            outputs = [output async for output in llm.generate(tokens_input(prompt), params, str(number))]
            tokens[0] += len(outputs[-1].prompt_token_ids)
            tokens[1] += len(outputs[-1].outputs[0].token_ids)

        shared.joined()
        began, cpu = time.monotonic(), time.process_time()
        await asyncio.gather(*(ask(number, *request) for number, request in enumerate(requests)))
        seconds, used = time.monotonic() - began, time.process_time() - cpu
        await shared.left()
        return _figures(seconds, tokens[0], tokens[1], len(requests), used)

    return asyncio.run(run())


def not_full(begins: list[float], ends: list[float], places: int) -> float:
    """The share of the time in which the engine had fewer requests than it works on at once."""
    steps = sorted([(at, 1) for at in begins] + [(at, -1) for at in ends])
    inside, short = 0, 0.0
    for (at, change), (following, _) in itertools.pairwise(steps):
        inside += change
        short += (following - at) * (inside < places)
    return short / (steps[-1][0] - steps[0][0])


def _figures(seconds: float, prompt: float, generated: float, calls: int, cpu: float) -> dict[str, float]:
    return {
        "calls": calls,
        "seconds": seconds,
        "prompt_tokens": prompt,
        "generated_tokens": generated,
        "tokens_per_second": (prompt + generated) / seconds,
        "cpu_seconds": cpu,
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    first, *others = options.prompts
    shown = options.model or "made on the spot, 4 layers of 256"
    found = in_turns(options, first, options.runs)
    more = {str(many): in_turns(options, many, 1) for many in others}
    return {"model": shown, "prompts": first, "runs": options.runs} | found | {"others": more}


def in_turns(options: argparse.Namespace, prompts: int, runs: int) -> dict[str, Any]:
    found: dict[str, list[dict[str, float]]] = {"ours": [], "AsyncLLM": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = prepared(options, prompts, folder)
        for number in range(runs):
            for kind in found:
                found[kind].append(child(kind, folder, folder / f"run{number}", options))
                print(prompts, kind, found[kind][-1], file=sys.stderr)
    ratios = [
        a["tokens_per_second"] / b["tokens_per_second"] for a, b in zip(found["ours"], found["AsyncLLM"], strict=True)
    ]
    medians = {kind: {key: median([one[key] for one in rows]) for key in rows[0]} for kind, rows in found.items()}
    return {"medians": medians, "ratios": ratios, "ratio": median(ratios)}


def profile(options: argparse.Namespace) -> str:
    """Of one run, in Markdown."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = prepared(options, options.prompts[0], folder)
        child("ours", folder, folder / "run", options)
        return (folder / "run" / PROFILE).read_text()


def prepared(options: argparse.Namespace, prompts: int, folder: Path) -> argparse.Namespace:
    """Everything that both sides need is in the folder, and the options name the model."""
    options = argparse.Namespace(**vars(options))
    if options.model is None:
        from tests.support.tiny_model import make_tiny_model

        options.model = str(make_tiny_model(folder / "model", hidden=256, layers=4, context=2048))
        options.engine = {**CPU_ENGINE, **options.engine}
    write_prompts(folder / "prompts.jsonl", prompts)
    (folder / "config.json").write_text(json.dumps(config_of(options, folder)))
    return options


def child(kind: str, folder: Path, out: Path, options: argparse.Namespace) -> dict[str, float]:
    """One side, in a process of its own."""
    out.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.vllm_efficiency", "--child", kind, str(folder), str(out)]
    command += ["--model", options.model, "--engine", json.dumps(options.engine)]
    command += ["--profile"] if options.profile and kind == "ours" else []
    with (out / f"{kind}.log").open("w+") as log:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, text=True, check=False)
        log.seek(0)
        said = log.read()
    if done.returncode != 0:
        side = "a run of ours" if kind == "ours" else "the bare AsyncLLM"
        raise SystemExit(f"error: {side} ended with exit code {done.returncode}: {last_words(said)}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def last_words(log: str) -> str:
    """What was wrong first, in the words of the process nearest to it: those around it only say that it died."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    faults = [found for line in lines if (found := FAULT.search(line))]
    for process in ("Worker", "EngineCore", ""):
        if named := [found for found in faults if (found["process"] or "").startswith(process)]:
            return named[0]["words"]
    return lines[-1] if lines else "it said nothing"


def summary(figures: dict[str, Any]) -> list[tuple[str, ...]]:
    """The lines of the README's table."""
    return [("tokens per second of a whole run, as a share of vLLM's own", f"{figures['ratio']:.3f}", "≥ 0.95")]


def details(figures: dict[str, Any]) -> str:
    """What stands on the benchmarks' page."""
    head = ("", "calls", "prompt tokens", "generated", "time", "tokens/s", "CPU of the asking process")
    rows = [
        (kind, f"{row['calls']:,.0f}", f"{row['prompt_tokens']:,.0f}", f"{row['generated_tokens']:,.0f}",
         f"{row['seconds']:.1f} s", f"{row['tokens_per_second']:,.0f}", f"{row['cpu_seconds']:.1f} s")
        for kind, row in figures["medians"].items()
    ]  # fmt: skip
    turns = ", ".join(f"{ratio:.3f}" for ratio in figures["ratios"])
    short = figures["medians"]["ours"].get("time_with_free_places")
    spare = "" if short is None else (
        f" For {short:.0%} of its time the engine of a run has free places: the end, where calls wait for others of their "
        "prompt, and a larger share of a shorter run."
    )  # fmt: skip
    others = [
        (many, f"{row['calls']:,.0f}", f"{row['seconds']:.0f} s", f"{one['ratio']:.3f}")
        for many, one in figures.get("others", {}).items() for row in [one["medians"]["ours"]]
    ]  # fmt: skip
    if others:
        spare += f"\n\nOther numbers of prompts, once each:\n\n{table(('prompts', 'calls', 'time', 'share'), others)}"
    return (
        f"{table(head, rows)}\n\nModel: {figures['model']}; {figures['prompts']} prompts. Medians of {figures['runs']} runs "
        f"in turns; the shares of the turns are {turns}.{spare}"
    )


def main() -> None:
    parser = command_line("vllm_efficiency", __doc__)
    parser.add_argument("--prompts", type=numbers, default="72,24,216")
    parser.add_argument("--max-tokens", type=int, default=32)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--model", help="a model folder or a Hub name; default: one that is made on the spot")
    parser.add_argument("--engine", type=json.loads, default={}, help="vLLM's engine options, as JSON")
    parser.add_argument(
        "--profile", action="store_true", help="where the time of a run's event loop goes, and nothing else"
    )
    parser.add_argument("--child", nargs=3, metavar=("KIND", "FOLDER", "OUT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        kind, folder, out = options.child
        work = (
            ours(Path(folder), Path(out), options.profile)
            if kind == "ours"
            else bare(Path(folder), options.engine, options.model)
        )
        print(json.dumps(work))
        return
    if options.profile:
        print(profile(options))
        return
    report(options, measure(options), details)


if __name__ == "__main__":
    main()
