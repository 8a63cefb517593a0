"""The fault drills, each once. ``python -m benchmarks.drills`` prints their table."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from benchmarks.drills import DRILLS, Drill

SLOW_ENOUGH_ELSEWHERE = {"full disk", "kill -9", "kill -9 with a batch out", "poisoned prompt"}
"""Tested by themselves: ``test_full_disk``, ``test_crash``, ``test_batch_run``, ``test_ray``."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "drill",
    [
        pytest.param(drill, id=drill.name, marks=[pytest.mark.vllm] if drill.needs == "vllm" else [])
        for drill in DRILLS
        if drill.name not in SLOW_ENOUGH_ELSEWHERE
    ],
)
def test_the_drill_is_passed(drill: Drill, tmp_path: Path) -> None:
    if drill.needs and importlib.util.find_spec(drill.needs) is None:
        pytest.skip(f"{drill.needs} is not installed")
    assert drill.run(tmp_path)
