"""Kill it at any moment, run it again: the same dataset, and no answered call is repeated."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from tests.support.kills import arguments, kill_after, lost
from tests.support.processes import fingerprint, generate, start, write_prompts
from tests.support.server import serve

PROMPTS, KILLS, GRACE = 60, 12, 0.1


@pytest.mark.slow
def test_killed_many_times_it_ends_with_the_same_bytes_and_repeats_nothing(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path / "prompts.jsonl", PROMPTS)
    with serve(latency_range=[0.005, 0.04]) as server:
        generate(*arguments(server, prompts, tmp_path / "whole"))
        calls = server.stats()["unique"]
        server.reset()

        chance = random.Random(7)
        command = arguments(server, prompts, tmp_path / "killed")
        kills = []
        for _ in range(KILLS):
            moment = kill_after(server, chance.randrange(1, 2 * calls // KILLS), command)
            if moment is not None:
                kills.append(moment)
        result = generate(*command)
        log = server.log()

    assert len(kills) >= KILLS // 2, "too few kills hit a run that was still going"
    assert result["prompts"] == PROMPTS
    assert {name: age for name, age in lost(log, kills).items() if age > GRACE} == {}
    assert len({entry["digest"] for entry in log}) == calls
    assert fingerprint(tmp_path / "killed" / "dataset") == fingerprint(tmp_path / "whole" / "dataset")


def test_a_finished_run_asks_nothing_again(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path / "prompts.jsonl", 5)
    with serve() as server:
        first = generate(*arguments(server, prompts, tmp_path / "run"))
        before = fingerprint(tmp_path / "run" / "dataset")
        asked = server.stats()["requests"]
        again = generate(*arguments(server, prompts, tmp_path / "run"))
        assert server.stats()["requests"] == asked == first["calls_made"]
    assert (again["calls_made"], again["prompts"], again["pairs"]) == (0, 5, first["pairs"])
    assert fingerprint(tmp_path / "run" / "dataset") == before


def test_one_interrupt_finishes_what_is_in_flight_and_keeps_it(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path / "prompts.jsonl", 40)
    with serve(latency=0.05) as server:
        command = arguments(server, prompts, tmp_path / "run")
        process = start(*command)
        while server.stats()["requests"] < 60:
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate()
        assert process.returncode == 130
        assert "finishing the calls in flight" in stderr
        assert "Traceback" not in stderr
        generate(*command)
        log = server.log()
    assert len({entry["digest"] for entry in log}) == len(log), "an answer in flight at the interrupt was lost"


def test_the_second_interrupt_ends_it_now(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path / "prompts.jsonl", 4)
    with serve(latency=30.0) as server:
        process = start(*arguments(server, prompts, tmp_path / "run"))
        while server.stats()["in_flight"] < 4:
            time.sleep(0.002)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        while "finishing the calls in flight" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert time.monotonic() - began < 10
    assert "Traceback" not in stderr
