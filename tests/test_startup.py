"""The bar of `benchmarks/startup.py`, best of ten: other work on the machine only makes it slower."""

from __future__ import annotations

import pytest

from benchmarks.startup import COMMANDS, took

pytestmark = pytest.mark.alone


def test_help_is_there_at_once() -> None:
    assert min(took(COMMANDS["constitutional --help"], 10)) < 0.150
