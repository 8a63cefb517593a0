"""Fault drills: what may happen to a run, done to it on purpose, and whether the data are still those of a quiet run.

    python -m benchmarks.drills [--only NAME ...] [--json] [--save]

Each drill runs the real command line (or, for Ray, the real cluster) and compares the dataset byte by byte with that of a
run to which nothing happened."""

from __future__ import annotations

import functools
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import command_line, report, table
from constitutional.errors import LedgerError
from constitutional.ledger import LedgerView
from tests.support.processes import COMMAND, environment, fingerprint, generate, start, write_prompts
from tests.support.server import Server, serve

PROMPTS = 20
SHAPE = ("--responses", "2", "--strategy", "best-vs-worst", "--concurrency", "8", "--constitution", "honest")
ROOT = Path(__file__).parents[1]
FAULTY = ROOT / "tests" / "support" / "faulty"
CRASHING = "scripted:tests.support.crashing"


def quiet_run(folder: Path, server: Server) -> dict[str, str]:
    """The dataset of a run to which nothing happens."""
    prompts = write_prompts(folder / "prompts.jsonl", PROMPTS)
    generate(*asking(server.url), "--prompts", str(prompts), "--out", str(folder / "quiet"), *SHAPE)
    server.reset()
    return fingerprint(folder / "quiet" / "dataset")


def asking(url: str) -> tuple[str, ...]:
    return ("--model", "openai:test-model", "--base-url", url)


@contextmanager
def disturbed(folder: Path, url: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """The same run in work. At the end of the block it is waited for, and has to have succeeded."""
    out = ("--prompts", str(folder / "prompts.jsonl"), "--out", str(folder / "disturbed"))
    process = subprocess.Popen(
        [*COMMAND, "--quiet", *asking(url), *out, *SHAPE],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment() | variables,
    )  # fmt: skip
    try:
        yield process
        stdout, stderr = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 0, f"exit {process.returncode}: {stderr}{stdout}"
    assert "Traceback" not in stderr


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not what():
        assert process.poll() is None, "it ended before anything could happen to it"
        time.sleep(0.005)


def asked(server: Server, count: int) -> bool:
    return bool(server.stats()["requests"] >= count)


def server_restarts(folder: Path) -> str:
    with serve() as server:
        wanted, port = quiet_run(folder, server), server.port
    with disturbed(folder, server.url) as process:
        for _ in range(2):
            with serve(port, latency=0.01) as server:
                wait_for(functools.partial(asked, server, 30), process)
        with serve(port) as server:
            process.wait(240)
    assert fingerprint(folder / "disturbed" / "dataset") == wanted
    return "two restarts, connections reset and refused; the same bytes"


def dns_failure(folder: Path) -> str:
    """Open connections need no name, and names are remembered for ten seconds: the server is away for so long."""
    with serve() as server:
        wanted, port = quiet_run(folder, server), server.port
    faulty = {"FAULTY": str(folder), "PYTHONPATH": f"{FAULTY}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    tries = folder / "tries"
    with disturbed(folder, f"http://models.test:{port}/v1", **faulty) as process:
        with serve(port, latency=0.01) as server:
            wait_for(lambda: asked(server, 30), process)
            (folder / "dns").touch()
        wait_for(lambda: tries.exists() and tries.stat().st_size >= 2, process)
        (folder / "dns").unlink()
        with serve(port):
            process.wait(240)
    assert fingerprint(folder / "disturbed" / "dataset") == wanted
    return f"no name resolved for {tries.stat().st_size} tries; the same bytes"


def full_disk(folder: Path) -> str:
    """Any file that grows beyond this fails to be written, as on a full disk."""
    room = 400_000
    with serve() as server:
        wanted = quiet_run(folder, server)
        command = (*asking(server.url), "--prompts", str(folder / "prompts.jsonl"), "--out", str(folder / "disturbed"))
        done = subprocess.run(
            [*COMMAND, "--quiet", *command, *SHAPE], capture_output=True, text=True, env=environment(), check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
        )  # fmt: skip
        assert done.returncode == 1, done.stderr
        assert "the disk is full or failing" in done.stderr
        with LedgerView(folder / "disturbed" / "run.db") as view:
            saved = view.one("SELECT count(*) FROM calls")
        result = generate(*command, *SHAPE)
        with LedgerView(folder / "disturbed" / "run.db") as view:
            assert result["calls_made"] == view.one("SELECT count(*) FROM calls") - saved
    assert fingerprint(folder / "disturbed" / "dataset") == wanted
    return f"one line and exit 1; {saved:,} replies kept, none asked again; the same bytes"


def clock_jumps(folder: Path) -> str:
    (folder / "clock").touch()
    faulty = {"FAULTY": str(folder), "PYTHONPATH": f"{FAULTY}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    with serve(share_429=0.05, retry_after=0.05) as server:
        wanted = quiet_run(folder, server)
        with disturbed(folder, server.url, **faulty):
            pass
    assert fingerprint(folder / "disturbed" / "dataset") == wanted
    with LedgerView(folder / "disturbed" / "run.db") as view:
        least, most = next(view.rows("SELECT min(seconds), max(seconds) FROM calls"))
        span = view.one("SELECT max(at) - min(at) FROM calls")
    assert 0 <= least <= most < 240
    assert span > 86400, "the clock did not jump"
    return "days and years, forth and back; durations are right; the same bytes"


def killed(folder: Path) -> str:
    with serve() as server:
        wanted = quiet_run(folder, server)
        server.configure(latency=0.01)
        command = (*asking(server.url), "--prompts", str(folder / "prompts.jsonl"), "--out", str(folder / "disturbed"))
        for count in (40, 80):
            process = start("--quiet", *command, *SHAPE)
            wait_for(functools.partial(asked, server, count), process)
            process.kill()
            process.communicate()
        generate(*command, *SHAPE)
    assert fingerprint(folder / "disturbed" / "dataset") == wanted
    return "kill -9 twice; the same bytes"


def batch_killed(folder: Path) -> str:
    """Between sending a batch and collecting it."""
    with serve() as server:
        wanted = quiet_run(folder, server)
        server.configure(batch_delay=1.0)
        command = (*asking(server.url), "--prompts", str(folder / "prompts.jsonl"), "--out", str(folder / "disturbed"))
        (folder / "batch.yaml").write_text("batch: {poll: 0.05}\n")
        command = (str(folder / "batch.yaml"), *command, *SHAPE, "--batch")
        process = start("--quiet", *command)
        wait_for(lambda: bool(server.stats()["batches"]), process)
        process.kill()
        process.communicate()
        server.configure(batch_delay=0.0)
        generate(*command)
        twice = server.stats()["batched_twice"]
    assert twice == 0
    assert fingerprint(folder / "disturbed" / "dataset") == wanted
    return "kill -9 while a batch is out; no request sent twice; the same bytes"


def poisoned_prompt(folder: Path) -> str:
    """A prompt that kills its process every time, among others, on a real Ray."""
    prompts = folder / "prompts.jsonl"
    write_prompts(prompts, PROMPTS)
    with prompts.open("a") as file:
        file.write(json.dumps({"prompt": "poison: what is it?"}) + "\n")
    words = {
        "name": "words",
        "tiers": [{"id": "t", "force": "strong", "principles": [{"id": "w", "statement": "avoid x"}]}],
    }
    (folder / "words.yaml").write_text(json.dumps(words))
    result = generate(
        "--engine", "ray", "--replicas", "2", "--model", f"{CRASHING}:answer", "--prompts", str(prompts),
        "--constitution", str(folder / "words.yaml"), "--out", str(folder / "run"), "--concurrency", "4",
        "--max-failure-rate", "0.5",
    )  # fmt: skip
    assert (result["prompts"], result["failures"], result["rejects"]["crashed_engine"]) == (PROMPTS + 1, 1, 1)
    return "isolated after two crashes, rejected after the third; all other prompts finished"


def engine_out_of_memory(folder: Path) -> str:
    """What the kernel's killer does to a vLLM engine that needs too much: its process is gone in mid-run."""
    from tests.support.tiny_model import make_tiny_model

    model = make_tiny_model(folder / "tiny")
    prompts = write_prompts(folder / "prompts.jsonl", 6)
    (folder / "run.yaml").write_text(
        json.dumps({"models": {"policy": {
            "name": f"vllm:{model}", "max_tokens": 24, "temperature": 0.0,
            "options": {"engine": {"enforce_eager": True, "dtype": "float32", "max_model_len": 1024, "max_num_seqs": 8}},
        }}})
    )  # fmt: skip
    command = (
        str(folder / "run.yaml"),
        "--prompts",
        str(prompts),
        "--rounds",
        "0",
        "--strategy",
        "all-pairs",
        "--responses",
        "2",
    )
    process = subprocess.Popen(
        [*COMMAND, *command, "--responses", "2", "--quiet", "--json", "--out", str(folder / "disturbed")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    try:
        wait_for(lambda: bool(_answered(folder / "disturbed" / "run.db")), process)
        engines = _children(process.pid, "EngineCore")
        assert engines, "no engine to kill"
        for engine in engines:
            os.kill(engine, signal.SIGKILL)
        stdout, stderr = process.communicate(timeout=400)
    finally:
        process.kill()
    assert process.returncode == 0, stderr[-2000:]
    result = json.loads(stdout)
    assert (result["failures"], result["prompts"]) == (0, 6)
    return "the engine's process killed in mid-run; a new one started, every prompt finished"


def _answered(ledger: Path) -> int:
    if not ledger.exists():
        return 0
    try:
        with LedgerView(ledger) as view:
            return int(view.one("SELECT count(*) FROM calls"))
    except LedgerError:  # it is just being made
        return 0


def _children(parent: int, name: str) -> list[int]:
    """Processes below this one whose title says so."""
    found, below = [], {parent}
    for path in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            title = (path / "cmdline").read_bytes().decode(errors="replace") + (path / "comm").read_text()
        except OSError:
            continue
        if int(fields[1]) in below:
            below.add(int(path.name))
            if name in title:
                found.append(int(path.name))
    return found


@dataclass(frozen=True, slots=True)
class Drill:
    name: str
    run: Callable[[Path], str]
    needs: str = ""
    """A package without which it cannot be held."""


DRILLS = (
    Drill("server restarts", server_restarts),
    Drill("DNS failure", dns_failure),
    Drill("full disk", full_disk),
    Drill("clock jumps", clock_jumps),
    Drill("kill -9", killed),
    Drill("kill -9 with a batch out", batch_killed),
    Drill("poisoned prompt", poisoned_prompt, "ray"),
    Drill("engine out of memory", engine_out_of_memory, "vllm"),
)


def hold(drill: Drill) -> dict[str, Any]:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            said, passed = drill.run(Path(folder)), True
        except (AssertionError, subprocess.SubprocessError, RuntimeError) as error:
            said, passed = (str(error).strip().splitlines() or [type(error).__name__])[0], False
    return {"passed": passed, "what": said, "seconds": round(time.monotonic() - began, 1)}


def details(figures: dict[str, Any]) -> str:
    """What stands on the benchmarks' page."""
    rows = [
        (name, "passed" if row["passed"] else "**failed**", row["what"], f"{row['seconds']:.0f} s")
        for name, row in figures.items()
    ]
    return table(("drill", "", "what happened", "took"), rows)


def main() -> None:
    parser = command_line("drills", __doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="; ".join(drill.name for drill in DRILLS))
    options = parser.parse_args()
    figures = {}
    for drill in DRILLS:
        if options.only is None or drill.name in options.only:
            figures[drill.name] = hold(drill)
            row = figures[drill.name]
            passed = "passed" if row["passed"] else "FAILED"
            print(f"{drill.name:<26} {passed}  {row['seconds']:>6} s  {row['what']}", file=sys.stderr)
    report(options, figures, details)
    sys.exit(not all(row["passed"] for row in figures.values()))


if __name__ == "__main__":
    main()
