"""The bars of `benchmarks/limits.py`, medians of three."""

from __future__ import annotations

import pytest

from benchmarks import limits

RUNS = 3
pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(600)]


def test_stray_429s_cost_no_more_than_half_as_much_again_as_the_bare_sdk() -> None:
    assert limits.stray(RUNS)["ratio"] < 1.5


def test_a_true_limit_is_used_to_within_15_percent() -> None:
    assert limits.limited(RUNS)["ratio"] < 1.15


def test_slow_answers_hold_nobody_up() -> None:
    assert limits.uneven(RUNS)["ratio"] < 1.05


def test_five_poisoned_prompts_cost_five_prompts_and_five_calls() -> None:
    figures = limits.poisoned()
    assert (figures["prompts"], figures["failures"], figures["extra_calls"]) == (1000, 5, 5)
    assert figures["rejects"] == {"nothing_to_compare": 995, "request_refused": 5}
