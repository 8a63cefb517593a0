"""What the toolkit costs beside the SDK: calls per second against a bare loop over the official SDK, ledger on.

    python -m benchmarks.overhead [--prompts 4000] [--in-flight 64,16,256,1024] [--runs 3] [--profile] [--json] [--save]

An own server on loopback answers every request after 50 ms. The floor and the toolkit run in turns, each as a process of
its own; calls per second are counted by the server, from the first request received to the last answer sent. The toolkit
runs three times: answers only (the floor's very requests, one per prompt: every prompt is a trace and a row of the ledger),
the same through the SDK as the floor does it, and the whole pipeline (answers, checks, scores and judgements of a sixth as
many prompts). The first number in flight is the one that the bars are for; with the others only the floor and the whole
pipeline run, once each.

``--profile`` shows instead which functions the event loop's thread of a whole pipeline spends its time in."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.event_loop import profiled
from benchmarks.measure import Run, command_line, median, numbers, report, run, table, write_prompts
from tests.support.server import Server, serve


def generate(server: Server, prompts: Path, out: Path, in_flight: int, *more: str) -> Run:
    command = [sys.executable, "-m", "constitutional", "generate", "--model", "openai:test-model"]
    command += ["--base-url", server.url, "--prompts", str(prompts), "--out", str(out), "--quiet", "--json"]
    return run([*command, "--concurrency", str(in_flight), *more])


def bare(server: Server, prompts: Path, in_flight: int, retries: int = 2) -> Run:
    return run([sys.executable, "-m", "benchmarks.bare_client", server.url, str(prompts), str(in_flight), str(retries)])


def timed(server: Server, work: Callable[[], Run]) -> dict[str, float]:
    server.reset()
    done = work()
    log = server.log()
    first, last = min(entry["received"] for entry in log), max(entry["sent"] or 0.0 for entry in log)
    return {
        "calls": len(log),
        "calls_per_second": len(log) / (last - first),
        "start_to_first_call": first - done.began,
        "cpu_ms_per_call": 1000 * done.cpu_seconds / len(log),
        "peak_mb": done.peak_mb,
        "seconds": done.seconds,
    }


KINDS = ("answers only", "answers, by the SDK", "whole pipeline")


def measure(prompts: int, in_flight: list[int], runs: int) -> dict[str, Any]:
    first, *others = in_flight
    with tempfile.TemporaryDirectory() as name, serve(latency=0.05) as server:
        folder = Path(name)
        write_prompts(folder / "many.jsonl", prompts)
        write_prompts(folder / "few.jsonl", prompts // 6)
        (folder / "sdk.yaml").write_text("models: {policy: {name: openai:test-model, options: {sdk: true}}}\n")
        found = in_turns(server, folder, first, runs, KINDS)
        more = {str(many): medians_of(in_turns(server, folder, many, 1, ("whole pipeline",))) for many in others}
    return {"prompts": prompts, "in_flight": first, "runs": runs, "medians": medians_of(found), "others": more}


def in_turns(
    server: Server, folder: Path, in_flight: int, runs: int, kinds: tuple[str, ...]
) -> dict[str, list[dict[str, float]]]:
    many, few, answers = folder / "many.jsonl", folder / "few.jsonl", ("--rounds", "0")

    def toolkit(kind: str, number: int) -> Run:
        out = folder / f"{kind}-{in_flight}-{number}"
        if kind == "whole pipeline":
            return generate(server, few, out, in_flight, "--strategy", "best-vs-worst")
        by_sdk = (str(folder / "sdk.yaml"),) if kind.endswith("SDK") else ()
        return generate(server, many, out, in_flight, *by_sdk, *answers)

    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in ("bare SDK loop", *kinds)}
    for number in range(runs):
        found["bare SDK loop"].append(timed(server, partial(bare, server, many, in_flight)))
        for kind in kinds:
            found[kind].append(timed(server, partial(toolkit, kind, number)))
    return found


def profile(prompts: int, in_flight: int) -> str:
    """Of one whole pipeline, in Markdown."""
    from constitutional.config.run import RunConfig
    from constitutional.ledger import RunFolder
    from constitutional.pipeline.run import run_prompts
    from constitutional.plugins import PluginHost

    with tempfile.TemporaryDirectory() as name, serve(latency=0.05) as server:
        write_prompts(Path(name) / "few.jsonl", prompts // 6)
        policy = {"name": "openai:test-model", "base_url": server.url}
        config = RunConfig.model_validate(
            {"prompts": f"{name}/few.jsonl", "models": {"policy": policy}, "strategy": "best-vs-worst"}
            | {"concurrency": in_flight}
        )
        folder = RunFolder(Path(name) / "run")
        folder.create()
        _, account = profiled(run_prompts(config, folder, PluginHost(), Path(name)))
    return account


def medians_of(found: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, float]]:
    figures = {kind: {key: median([one[key] for one in rows]) for key in rows[0]} for kind, rows in found.items()}
    floor = [one["calls_per_second"] for one in found["bare SDK loop"]]
    for kind, rows in found.items():
        if kind != "bare SDK loop":
            ratios = [one["calls_per_second"] / base for one, base in zip(rows, floor, strict=True)]
            figures[kind]["ratio_to_floor"] = median(ratios)
    return figures


def summary(figures: dict[str, Any]) -> list[tuple[str, ...]]:
    """The lines of the README's table."""
    medians = figures["medians"]
    answers, whole = medians["answers only"], medians["whole pipeline"]
    floor = f"as a share of a bare loop over the official SDK, {figures['in_flight']} in flight"
    by_sdk = medians["answers, by the SDK"]["ratio_to_floor"]
    peak = max(answers["peak_mb"], whole["peak_mb"])
    return [
        (
            f"calls per second {floor}: answers only",
            f"{answers['ratio_to_floor']:.2f} (by the SDK {by_sdk:.2f})",
            "≥ 0.95",
        ),
        ("the same of the whole pipeline", f"{whole['ratio_to_floor']:.2f}", "≥ 0.95"),
        ("peak memory of that", f"{peak:.0f} MB", "< 150 MB"),
    ]


def details(figures: dict[str, Any]) -> str:
    """What stands on the benchmarks' page."""
    head = ("", "calls", "calls/s", "share of the bare loop", "start to first call", "CPU per call", "peak memory")
    rows = [
        (
            kind, f"{row['calls']:,.0f}", f"{row['calls_per_second']:,.0f}",
            f"{row['ratio_to_floor']:.3f}" if "ratio_to_floor" in row else "",
            f"{row['start_to_first_call']:.2f} s", f"{row['cpu_ms_per_call']:.2f} ms", f"{row['peak_mb']:.0f} MB",
        )
        for kind, row in figures["medians"].items()
    ]  # fmt: skip
    others = [
        (many, f"{both['bare SDK loop']['calls_per_second']:,.0f}", f"{row['calls_per_second']:,.0f}",
         f"{row['ratio_to_floor']:.3f}", f"{row['cpu_ms_per_call']:.2f} ms", f"{row['peak_mb']:.0f} MB")
        for many, both in figures.get("others", {}).items() for row in [both["whole pipeline"]]
    ]  # fmt: skip
    heads = ("in flight", "bare loop, calls/s", "whole pipeline, calls/s", "share", "CPU per call", "peak memory")
    more = f"\n\nWith other numbers in flight, once each:\n\n{table(heads, others)}" if others else ""
    return (
        f"{table(head, rows)}\n\n{figures['prompts']:,} prompts, {figures['in_flight']} in flight. Each figure is the "
        f"median of {figures['runs']} runs in turns; the share is the median of each turn's share.{more}"
    )


def main() -> None:
    parser = command_line("overhead", __doc__)
    parser.add_argument("--prompts", type=int, default=4000)
    parser.add_argument("--in-flight", type=numbers, default="64,16,256,1024")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--profile", action="store_true", help="where the time of a run's event loop goes, and nothing else"
    )
    options = parser.parse_args()
    if options.profile:
        print(profile(options.prompts, options.in_flight[0]))
        return
    report(options, measure(options.prompts, options.in_flight, options.runs), details)


if __name__ == "__main__":
    main()
