"""What a driver can take: rows per second into the ledger, and what one call costs it when replicas make the calls.

    python -m benchmarks.driver [--rows 20000] [--prompts 300] [--json] [--save]

First the ledger alone: replies that nothing had to be waited for, looked up and written as a run does it, until they are on
disk. Then runs of the scripted model: without Ray (the model is in this process too), and with one Ray replica, where the
driver does nothing but look up, write, and hand prompts on. The CPU time is that of this process alone, so that other
processes of a busy machine change it little; its inverse is how many calls a second one core of a driver could take."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import command_line, report, table, write_prompts
from constitutional.config.run import RunConfig
from constitutional.core.digest import digest
from constitutional.ledger import CallRow, Ledger, RunFolder
from constitutional.pipeline.run import run_prompts
from constitutional.plugins import PluginHost

REQUEST = ["chat", {"model": "scripted:demo"}, [[["user", "How do I order this item? " * 60]], [1.0], 0]]
REPLY = json.dumps({"text": "It is in the shop. " * 60, "finish": "stop", "usage": [400, 300, 0]})
AT_ONCE = 256


async def ledger_alone(path: Path, rows: int) -> dict[str, float]:
    """Requests and replies of about 1.2 kB, as many side by side as a busy driver has."""
    ledger, numbers = Ledger(path), iter(range(rows))

    async def ask(key: str) -> tuple[str, CallRow]:
        return REPLY, CallRow(key, "policy", "scripted:demo", REQUEST, REPLY, 400, 300, 0, 0.0, 0.1, time.time())

    async def work() -> None:
        for number in numbers:
            key = digest(number)
            await ledger.answer(key, str, lambda key=key: ask(key))  # type: ignore[misc]

    began, cpu = time.monotonic(), time.process_time()
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    await ledger.flush()
    seconds, used = time.monotonic() - began, time.process_time() - cpu
    ledger.close()
    return {
        "rows": rows,
        "rows_per_second": rows / seconds,
        "cpu_ms_per_row": 1000 * used / rows,
        "bytes_per_row": path.stat().st_size / rows,
    }


def whole_run(folder: Path, name: str, prompts: Path, **settings: Any) -> dict[str, float]:
    config = RunConfig.model_validate(
        {"prompts": str(prompts), "models": {"policy": "scripted:demo"}, "concurrency": 32} | settings
    )
    run_folder = RunFolder(folder / name)
    run_folder.create()
    began, cpu = time.monotonic(), time.process_time()
    result = asyncio.run(run_prompts(config, run_folder, PluginHost(), folder))
    seconds, used = time.monotonic() - began, time.process_time() - cpu
    return {
        "calls": result.calls_made,
        "seconds": seconds,
        "cpu_ms_per_call": 1000 * used / result.calls_made,
        "calls_per_core_second": result.calls_made / used,
        "bytes_per_call": run_folder.ledger.stat().st_size / result.calls_made,
    }


def measure(rows: int, prompts: int) -> dict[str, Any]:
    import ray

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asked, few = folder / "prompts.jsonl", folder / "few.jsonl"
        write_prompts(asked, prompts)
        write_prompts(few, 4)
        found = {
            "ledger alone": asyncio.run(ledger_alone(folder / "rows.db", rows)),
            "local": whole_run(folder, "local", asked),
        }
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")  # not counted
        whole_run(folder, "warm", few, engine="ray")
        found["one replica"] = whole_run(folder, "ray", asked, engine="ray")
        ray.shutdown()
        return found


def details(figures: dict[str, Any]) -> str:
    """What stands on the benchmarks' page."""
    alone = figures["ledger alone"]
    rows = [
        (kind, f"{row['calls']:,}", f"{row['cpu_ms_per_call']:.2f} ms", f"{row['calls_per_core_second']:,.0f}",
         f"{row['bytes_per_call']:,.0f}")
        for kind in ("local", "one replica") for row in [figures[kind]]
    ]  # fmt: skip
    head = ("", "calls", "driver's CPU per call", "calls per second of one core", "bytes of run.db per call")
    return (
        f"{table(head, rows)}\n\nThe ledger alone: {alone['rows']:,} replies looked up and written, "
        f"{alone['rows_per_second']:,.0f} a second, {alone['cpu_ms_per_row']:.2f} ms of CPU and "
        f"{alone['bytes_per_row']:,.0f} bytes each."
    )


def main() -> None:
    parser = command_line("driver", __doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--prompts", type=int, default=300)
    options = parser.parse_args()
    report(options, measure(options.rows, options.prompts), details)


if __name__ == "__main__":
    main()
