from __future__ import annotations

import math
import os
import sys
from pathlib import Path

import pytest

from tests.support.kills import Kill, lost, waited
from tests.support.server_process import Entry


def entry(name: str, received: float, sent: float | None) -> Entry:
    whole = sent is not None
    return {
        "digest": name, "status": 200 if whole else 0, "fault": None, "whole": whole, "received": received, "sent": sent,
        "prompt": "",
    }  # fmt: skip


def test_an_answer_is_lost_if_it_was_there_before_the_kill_and_is_asked_for_again() -> None:
    kills = [Kill(10.0, 10.1), Kill(20.0, 20.1)]
    log = [
        entry("kept", 1.0, 2.0),
        entry("young", 9.0, 9.9), entry("young", 11.0, 12.0),
        entry("old", 1.0, 3.0), entry("old", 11.0, 19.5), entry("old", 21.0, 22.0),
        entry("in flight", 9.9, None), entry("in flight", 11.0, 12.0),
        entry("answered when it was dead", 9.9, 10.2), entry("answered when it was dead", 11.0, 12.0),
        entry("asked twice by the last session", 21.0, 22.0), entry("asked twice by the last session", 23.0, 24.0),
    ]  # fmt: skip
    found = lost(log, kills)
    assert found.pop("asked twice by the last session") == math.inf
    assert found == {"young": pytest.approx(0.1), "old": pytest.approx(7.0)}


def test_time_without_a_core_does_not_make_an_answer_older() -> None:
    """Its threads had waited a second in all when the answer came, and four when it was killed."""
    kill = Kill(20.0, 20.1, ((10.0, 0.5), (12.0, 1.0), (16.0, 3.0), (19.9, 4.0)))
    assert [kill.stalled(since) for since in (9.0, 12.0, 13.0, 17.0, 19.95)] == [3.5, 3.0, 3.0, 1.0, 0.0]
    log = [
        entry("late", 11.0, 13.0),
        entry("late", 21.0, 22.0),
        entry("at once", 19.0, 19.95),
        entry("at once", 21.0, 22.0),
    ]
    assert lost(log, [kill]) == {"late": pytest.approx(4.0), "at once": pytest.approx(0.05)}


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="Linux counts it")
def test_two_threads_on_one_core_wait_for_each_other() -> None:
    busy = "import os, time; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\nwhile True: pass"
    from subprocess import Popen

    processes = [Popen([sys.executable, "-c", busy]) for _ in range(2)]
    try:
        while not all(waited(process.pid) > 0.05 for process in processes):
            assert all(process.poll() is None for process in processes)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert waited(os.getpid()) >= 0
