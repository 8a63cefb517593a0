from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.judging import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def counting(tmp_path: Path) -> Bench:
    """Its model gives no log-probabilities."""
    return Bench(tmp_path, logprobs=False)
