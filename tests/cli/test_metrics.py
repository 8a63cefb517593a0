"""How a run is going, for what watches runs: asked over HTTP while the run is at work, and read line by line."""

from __future__ import annotations

import json
import re
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from constitutional.cli.generate.metrics import TYPE, Metrics
from constitutional.core.messages import Usage
from constitutional.core.records import Reject
from constitutional.errors import UsageError
from constitutional.models.meter import Meter
from constitutional.models.throttle import Throttle
from constitutional.pipeline.state import RunState
from tests.cli.conftest import Cli
from tests.support.processes import start, write_prompts
from tests.support.server import serve

LINE = re.compile(r'(\w+)(?:\{((?:\w+="(?:[^"\\\n]|\\.)*",?)*)\})? ([-+.\de]+|NaN)')


def read(address: str) -> dict[str, float]:
    with urllib.request.urlopen(address, timeout=30) as answer:
        assert answer.headers["Content-Type"] == TYPE
        text = answer.read().decode()
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            match = LINE.fullmatch(line)
            assert match, line
            found[f"{match[1]}{{{match[2] or ''}}}"] = float(match[3])
    return found


def counted() -> RunState:
    meter = Meter()
    meter.made("judge", 'a "model"\n\\', Usage(10, 2, 4), 0.5)
    throttle = Throttle(4, name="openai:x")
    throttle.retries["timeout"] = 3
    state = RunState(meter, {"one": throttle, "two": Throttle(4, name="openai:x")}, total=20)
    state.prompts, state.pairs = 7, 5
    state.rejects.update({"tie": 2})
    return state


def test_the_text_is_what_prometheus_reads_and_says_what_was_counted() -> None:
    with Metrics(0) as metrics:
        assert read(metrics.address) == {}, "nothing has begun"
        metrics.begin(counted())
        found = read(metrics.address)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(metrics.address + "/other", timeout=30)
    assert found["constitutional_prompts_total{}"] == 7
    assert found["constitutional_prompts_expected{}"] == 20
    assert found['constitutional_rejects_total{reason="tie"}'] == 2
    assert found['constitutional_calls_total{role="judge",model="a \\"model\\"\\n\\\\"}'] == 1
    assert found['constitutional_tokens_total{role="judge",model="a \\"model\\"\\n\\\\",kind="cached"}'] == 4
    assert found['constitutional_errors_total{model="openai:x",reason="timeout"}'] == 3
    assert found['constitutional_calls_waiting{model="openai:x"}'] == 0
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(metrics.address, timeout=30)


def test_a_port_that_is_taken_is_said_before_a_call_is_made(cli: Cli) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match="choose another"):
            Metrics(port).__enter__()
        done = cli("generate", "--metrics-port", str(port))
    assert done.code == 2
    assert done.errors == [
        f"error: --metrics-port {port}: Address already in use: choose another, or 0 for any that is free"
    ]


def test_it_is_asked_while_the_run_is_at_work(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path / "prompts.jsonl", 400)
    with serve(latency=0.05) as server:
        more = (
            "--model",
            "openai:m",
            "--base-url",
            server.url,
            "--prompts",
            str(prompts),
            "--out",
            str(tmp_path / "run"),
        )
        process = start(*more, "--metrics-port", "0", "--log-json", "--concurrency", "2")
        try:
            assert process.stderr is not None
            events = [json.loads(process.stderr.readline()) for _ in range(2)]
            assert [event["event"] for event in events] == ["metrics", "started"]
            found = read(events[0]["address"])
            assert found["constitutional_prompts_expected{}"] == 400
            assert found['constitutional_calls_in_flight{model="openai:m"}'] <= 2
        finally:
            process.terminate()
            process.communicate(timeout=60)


def test_a_log_is_one_object_a_line_and_nothing_else(tmp_path: Path) -> None:
    import subprocess

    from tests.support.processes import COMMAND, environment

    rows = [{"prompt": "fine"}, {"prompt": ""}]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = [*COMMAND, "--log-json", "--prompts", str(tmp_path / "prompts.jsonl"), "--out", str(tmp_path / "run")]
    done = subprocess.run(
        [*command, "--max-failure-rate", "1"], capture_output=True, text=True, env=environment(), check=True
    )
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert [event["event"] for event in events] == ["started", "finished"]
    assert (events[1]["status"], events[1]["rejects"]["bad_row"]) == ("complete", 1)
    assert all(event.keys() >= {"time", "level"} for event in events)


def test_a_prompt_that_goes_wrong_is_a_line(tmp_path: Path) -> None:
    import io

    from constitutional.cli.structured import Log
    from constitutional.core.records import Prompt, Trace

    said, state = io.StringIO(), counted()
    Log(said).begin(state)
    state.traced(
        Trace(Prompt("p", ()), rejects=(Reject("p", "server_error", "\x1b[31m\n500", True), Reject("p", "tie")))
    )
    events = [json.loads(line) for line in said.getvalue().splitlines()]
    assert [(event["event"], event["level"]) for event in events] == [("started", "info"), ("prompt_failed", "warning")]
    assert events[1]["detail"] == "\x1b[31m\n500"
    assert said.getvalue().isascii()
