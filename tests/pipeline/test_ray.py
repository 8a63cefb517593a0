"""Prompts on a real Ray of this machine: the same data as without, and nothing lost with a process that dies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from constitutional.config.run import RunConfig
from constitutional.dataset.write import write_dataset
from constitutional.errors import ConfigError, ModelUnavailableError
from constitutional.ledger import LedgerView, RunFolder
from constitutional.pipeline.run import run_prompts
from constitutional.pipeline.state import RunState
from constitutional.pipeline.stop import Stop
from constitutional.plugins import PluginHost
from constitutional.roles import RunResult
from tests.support.processes import fingerprint
from tests.support.runs import tier

pytestmark = pytest.mark.slow
ANSWER, SLOW = (f"scripted:tests.support.crashing:{name}" for name in ("answer", "slow"))


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """Started once: runs find it and leave it."""
    ray = pytest.importorskip("ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


def configured(folder: Path, engine: str, model: str, prompts: list[str], **settings: Any) -> RunConfig:
    (folder / "words.yaml").write_text(json.dumps({"name": "words", "tiers": [tier("t", "strong", "red", "blue")]}))
    (folder / "prompts.jsonl").write_text("".join(json.dumps({"prompt": text}) + "\n" for text in prompts))
    given = {
        "prompts": "prompts.jsonl", "constitution": "words.yaml", "models": {"policy": model}, "engine": engine,
        "ray": {"replicas": 2}, "max_failure_rate": 1.0, "concurrency": 4, "responses": 2, "strategy": "best-vs-worst",
    }  # fmt: skip
    return RunConfig.model_validate(given | settings)


async def run(
    folder: Path, name: str, config: RunConfig, while_running: Any = None, stop: Stop | None = None
) -> RunResult:
    run_folder = RunFolder(folder / name)
    run_folder.create()
    states: list[RunState] = []
    task = asyncio.create_task(run_prompts(config, run_folder, PluginHost(), folder, started=states.append, stop=stop))
    if while_running is not None:
        while not states and not task.done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await while_running(states[0], task)
    result = await task
    write_dataset(run_folder, complete=result.status == "complete")
    return result


def keys(folder: Path) -> set[bytes]:
    with LedgerView(folder / "run.db") as view:
        return {key for (key,) in view.rows("SELECT key FROM calls")}


def test_the_same_bytes_though_a_replica_is_killed_in_the_middle(tmp_path: Path) -> None:
    prompts = [f"item {n} is red and blue and red" for n in range(30)]
    local = asyncio.run(run(tmp_path, "local", configured(tmp_path, "local", SLOW, prompts)))
    killed = []

    async def kill_one(state: RunState, task: asyncio.Task[RunResult]) -> None:
        while state.prompts < 10:
            assert not task.done()
            await asyncio.sleep(0.002)
        assert state.pool is not None
        killed.append(state.pool.homes[0].pid)
        os.kill(killed[0], signal.SIGKILL)

    ray = asyncio.run(run(tmp_path, "ray", configured(tmp_path, "ray", SLOW, prompts), kill_one))
    assert killed
    assert (ray.prompts, ray.pairs, ray.failures) == (local.prompts, local.pairs, 0)
    assert fingerprint(tmp_path / "ray" / "dataset") == fingerprint(tmp_path / "local" / "dataset")
    assert keys(tmp_path / "ray") == keys(tmp_path / "local")
    again = asyncio.run(run(tmp_path, "ray", configured(tmp_path, "local", SLOW, prompts)))
    assert again.calls_made == 0, "what replicas did is a run like any other"


def test_a_prompt_that_kills_every_replica_costs_itself_alone(tmp_path: Path) -> None:
    prompts = [f"item {n} is red" for n in range(12)]
    prompts[5] = "poison red"
    result = asyncio.run(run(tmp_path, "run", configured(tmp_path, "ray", ANSWER, prompts)))
    assert (result.status, result.prompts, result.failures) == ("complete", 12, 1)
    assert result.rejects["crashed_engine"] == 1
    with LedgerView(tmp_path / "run" / "run.db") as view:
        (detail,) = [detail for (detail,) in view.rows("SELECT detail FROM rejects WHERE reason = 'crashed_engine'")]
    assert detail.startswith("the replica died each of the 3 times that it worked on this prompt")


def test_a_budget_is_the_cluster_s_and_exact(tmp_path: Path) -> None:
    config = configured(tmp_path, "ray", ANSWER, [f"item {n} is red" for n in range(30)])
    first = asyncio.run(run(tmp_path, "run", config.model_copy(update={"max_calls": 50})))
    assert (first.status, first.calls_made) == ("budget", 50)
    assert len(keys(tmp_path / "run")) == 50
    assert asyncio.run(run(tmp_path, "run", config)).status == "complete"


def test_an_interrupt_keeps_what_was_answered(tmp_path: Path) -> None:
    stop = Stop()

    async def interrupt(state: RunState, task: asyncio.Task[RunResult]) -> None:
        while state.meter.calls_made < 20:
            assert not task.done()
            await asyncio.sleep(0.002)
        stop.ask()

    config = configured(tmp_path, "ray", SLOW, [f"item {n} is red" for n in range(40)])
    first = asyncio.run(run(tmp_path, "run", config, interrupt, stop))
    assert first.status == "interrupted"
    assert len(keys(tmp_path / "run")) == first.calls_made
    second = asyncio.run(run(tmp_path, "run", config))
    assert (second.status, second.prompts) == ("complete", 40)


def test_what_ends_a_run_ends_it_here_too(tmp_path: Path) -> None:
    config = configured(tmp_path, "ray", "openai:nobody", ["hello"])
    policy = config.models["policy"].model_copy(update={"base_url": "http://127.0.0.1:9/v1"})
    with pytest.raises(ModelUnavailableError, match="is the server running"):
        asyncio.run(run(tmp_path, "run", config.model_copy(update={"models": {"policy": policy}})))


def test_what_a_replica_lacks_is_said_to_be_lacking_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is set where the run was started and not where Ray was."""
    monkeypatch.setenv("ONLY_HERE", "x")
    policy = {"name": "openai:nobody", "base_url": "http://127.0.0.1:9/v1", "api_key_env": "ONLY_HERE"}
    config = configured(tmp_path, "ray", ANSWER, ["hello"], models={"policy": policy})
    with pytest.raises(ModelUnavailableError, match=r"set ONLY_HERE.*on a replica: keys.* are those of its Ray node"):
        asyncio.run(run(tmp_path, "run", config))


def test_a_replica_that_no_node_has_room_for_is_waited_for_and_told_of(tmp_path: Path) -> None:
    stop, lines = Stop(), []

    async def interrupt(state: RunState, task: asyncio.Task[RunResult]) -> None:
        while state.pool is None or "nodes hold" not in state.pool.line():
            assert not task.done()
            await asyncio.sleep(0.01)
        lines.append(state.pool.line())
        stop.ask()

    config = configured(tmp_path, "ray", ANSWER, ["hello"], ray={"replicas": 3, "cpus": 2, "gpus": 1})
    assert asyncio.run(run(tmp_path, "run", config, interrupt, stop)).status == "interrupted"
    assert lines == ["0 of 3 replicas (the nodes hold 0: each takes 2 CPU and 1 GPU), 0 prompts in work"]


def test_batches_and_replicas_do_not_go_together() -> None:
    model = {"name": "openai:gpt-4o-mini", "batch": True}
    with pytest.raises(ValueError, match=r"engine: ray does not go with models\.policy\.batch"):
        RunConfig.model_validate({"models": {"policy": model}, "engine": "ray"})


def test_a_cluster_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    for address in ("nonsense://x", "127.0.0.1:9", "no.such.host.invalid:6379"):
        config = configured(tmp_path, "ray", ANSWER, ["hello"], ray={"address": address})
        with pytest.raises(ConfigError, match=f"the Ray cluster at {address} cannot be reached.*RAY_AUTH_MODE"):
            asyncio.run(run(tmp_path, "run", config))


@contextmanager
def listening(greets: bytes) -> Iterator[tuple[str, threading.Semaphore]]:
    """An address where somebody takes connections, says this to each and nothing more; and how many were taken."""
    taken, held = threading.Semaphore(0), list[socket.socket]()
    with socket.create_server(("", 0)) as server:  # Ray asks not for localhost but for this machine

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    held.append(server.accept()[0])
                    held[-1].sendall(greets)
                    taken.release()

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}", taken
        for connection in held:
            connection.close()


def test_a_port_of_something_else_is_told_from_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (address, _):
        config = configured(tmp_path, "ray", ANSWER, ["hello"], ray={"address": address})
        with pytest.raises(ConfigError, match=f"cluster at {address} cannot be reached: what answers there is no Ray"):
            asyncio.run(run(tmp_path, "run", config))


@pytest.mark.parametrize(("greets", "visits"), [(b"", 1), (b"\0\0\0\4\0\0\0\0\0", 2)], ids=["silent", "HTTP/2"])
def test_an_interrupt_ends_the_wait_for_what_is_no_cluster(greets: bytes, visits: int, tmp_path: Path) -> None:
    """Ours, and also Ray's own, which is of minutes: in a process that ends with it."""
    with listening(greets) as (address, taken):
        configured(tmp_path, "ray", ANSWER, ["hello"])
        command = (
            "generate", "--prompts", "prompts.jsonl", "--constitution", "words.yaml", "--model", ANSWER, "--engine", "ray",
            "--out", "run",
        )  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, "-m", "constitutional", *command], cwd=tmp_path, env=os.environ | {"RAY_ADDRESS": address},
            stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        with process:
            for _ in range(visits):
                assert taken.acquire(timeout=60)
            process.send_signal(signal.SIGINT)
            try:
                out, err = process.communicate(timeout=45)
            finally:
                process.kill()
    assert (process.returncode, "Traceback" in err) == (130, False), err
    assert "interrupted: 0 prompts" in out
