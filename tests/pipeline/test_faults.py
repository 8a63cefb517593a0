"""A server that fails in every way it can: every prompt ends as a trace or as a reject with a reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from constitutional.core.codec import from_json
from constitutional.core.records import Trace
from constitutional.ledger import LedgerView
from tests.support.processes import generate, write_prompts
from tests.support.server import Server, serve

PROMPTS = 120
FAULTS: dict[str, Any] = {
    "share_429": 0.05,
    "retry_after": 0.2,
    "share_500": 0.05,
    "share_reset": 0.03,
    "share_hang": 0.01,
    "share_truncated": 0.02,
    "share_wrong_shape": 0.02,
}


def run_file(folder: Path, server: Server, **more: Any) -> Path:
    prompts = write_prompts(folder / "prompts.jsonl", PROMPTS)
    policy = {"name": "openai:test-model", "base_url": server.url, "timeout": 1.0}
    data = {"prompts": str(prompts), "models": {"policy": policy}, "out": "run", "concurrency": 32} | more
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def traces(run: Path) -> list[Trace]:
    with LedgerView(run / "run.db") as view:
        return [from_json(Trace, body) for (body,) in view.rows("SELECT body FROM traces ORDER BY position")]


@pytest.mark.slow
def test_every_prompt_ends_once_as_a_trace_or_a_reject(tmp_path: Path) -> None:
    with serve(**FAULTS) as server:
        result = generate(str(run_file(tmp_path, server)))
        faults = server.stats()["faults"]
    assert set(faults) == {"429", "500", "reset", "hang", "truncated", "wrong_shape"}, "not every fault was met"
    found = traces(tmp_path / "run")
    expected = [json.loads(line)["prompt"] for line in (tmp_path / "prompts.jsonl").read_text().splitlines()]
    assert [trace.prompt.messages[-1].content for trace in found] == expected
    assert all(trace.pairs or trace.rejects for trace in found)
    assert all(reject.reason and reject.detail for trace in found for reject in trace.rejects)
    assert result["prompts"] == PROMPTS
    assert result["failures"] == sum(trace.failed for trace in found) == 0
    assert result["pairs"] == sum(len(trace.pairs) for trace in found) > 0


@pytest.mark.slow
def test_faults_do_not_change_the_dataset(tmp_path: Path) -> None:
    for name in ("calm", "faulty"):
        (tmp_path / name).mkdir()
    with serve() as server:
        calm = generate(str(run_file(tmp_path / "calm", server)))
        server.configure(**FAULTS)
        faulty = generate(str(run_file(tmp_path / "faulty", server)))
    assert calm["calls_made"] == faulty["calls_made"]
    assert traces(tmp_path / "calm" / "run") == traces(tmp_path / "faulty" / "run")


def test_a_refused_request_costs_its_own_prompt_and_is_not_repeated(tmp_path: Path) -> None:
    with serve(poison=["item 7 "], context_error=["item 11 "], empty=["item 13 "]) as server:
        result = generate(str(run_file(tmp_path, server, rounds=0)))
        assert server.stats()["statuses"] == {"200": PROMPTS - 2, "400": 2}
    assert result["rejects"]["request_refused"] == 1
    assert result["rejects"]["context_too_long"] == 1
    assert result["rejects"]["empty_response"] == 1
    assert result["failures"] == 3
    details = {reject.reason: reject.detail for trace in traces(tmp_path / "run") for reject in trace.rejects}
    assert "refused the request (HTTP 400)" in details["request_refused"]
    assert "longer than the model's context" in details["context_too_long"]
    assert "the model answered with nothing" in details["empty_response"]


def test_failures_of_the_server_are_tried_again_by_the_next_run_and_refusals_are_not(tmp_path: Path) -> None:
    with serve(share_500=1.0) as server:
        failed = generate(str(run_file(tmp_path, server, limit=1, rounds=0, max_failure_rate=1.0)))
        assert failed["rejects"] == {"server_error": 1}
        server.configure(share_500=0.0, poison=["item 1 "])
        mended = generate(str(run_file(tmp_path, server, limit=2, rounds=0, max_failure_rate=1.0)))
        assert mended["rejects"] == {"nothing_to_compare": 1, "request_refused": 1}
        asked = server.stats()["requests"]
        generate(str(run_file(tmp_path, server, limit=2, rounds=0, max_failure_rate=1.0)))
        assert server.stats()["requests"] == asked


def test_too_many_failures_stop_the_run_with_their_own_exit_code(tmp_path: Path) -> None:
    with serve(poison=["Question"]) as server:
        result = generate(str(run_file(tmp_path, server)), expect=3)
        assert server.stats()["requests"] < PROMPTS
    assert result["status"] == "too-many-failures"
    assert "--max-failure-rate 0.1" in result["message"]


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ({"refuse_auth": True}, "the API key was not accepted"),
        ({"unknown_model": "test-model"}, "unknown model or address"),
    ],
)
def test_what_can_never_work_ends_the_run_at_once(tmp_path: Path, behaviour: dict[str, Any], said: str) -> None:
    from tests.support.processes import start

    with serve(latency=0.02, **behaviour) as server:
        process = start(str(run_file(tmp_path, server)))
        _, stderr = process.communicate(timeout=60)
        assert server.stats()["requests"] < PROMPTS
    assert process.returncode == 1
    (line,) = [line for line in stderr.splitlines() if line.startswith("error:")]
    assert said in line
    assert "Traceback" not in stderr


def test_a_server_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    from tests.support.processes import start

    with serve() as server:
        file = run_file(tmp_path, server)
    process = start(str(file))
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "is the server running?" in stderr


def test_budgets_stop_cleanly_and_belong_to_the_run_folder(tmp_path: Path) -> None:
    with serve() as server:
        file = str(run_file(tmp_path, server))
        first = generate(file, "--max-calls", "100", expect=1)
        assert server.stats()["requests"] == first["calls_made"] == 100
        assert first["status"] == "budget"
        again = generate(file, "--max-calls", "100", expect=1)
        assert again["calls_made"] == 0
        done = generate(file)
        assert server.stats()["requests"] == server.stats()["unique"] == 100 + done["calls_made"]
        assert done["status"] == "complete"


def test_money_stops_a_run_too(tmp_path: Path) -> None:
    with serve() as server:
        file = str(run_file(tmp_path, server))
        result = generate(file, "--price", "1000,1000", "--max-cost", "5", "--concurrency", "4", expect=1)
    spent = sum(role["cost"] for role in result["roles"])
    assert 5 <= spent < 6
    assert result["message"] == "the budget of 5 is used up"
