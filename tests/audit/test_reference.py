"""Published verdicts and labels, measured as an audit measures. Their folder is named by CONSTITUTIONAL_REFERENCE_DATA."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.judges import lengths, published

REFERENCE = os.environ.get("CONSTITUTIONAL_REFERENCE_DATA")
pytestmark = pytest.mark.skipif(not REFERENCE, reason="CONSTITUTIONAL_REFERENCE_DATA names no folder")


@pytest.mark.slow
def test_both_orders_lift_a_decent_judge_and_sink_one_below_chance() -> None:
    found = published(Path(REFERENCE or ""))
    for name, one_order, agreed, coverage in (
        ("Natural, GPT-4", 0.955, 0.979, 0.95),
        ("Natural, ChatGPT", 0.815, 0.944, 0.71),
        ("Natural, Falcon", 0.740, 0.962, 0.52),
        ("Adversarial, GPT-4", 0.810, 0.837, 0.92),
        ("Adversarial, ChatGPT", 0.270, 0.141, 0.64),
        ("Adversarial, Falcon", 0.509, 0.525, 0.38),
    ):
        row = found[name]
        assert row["one_order"] == pytest.approx(one_order, abs=0.0006), name
        assert row["agreed"] == pytest.approx(agreed, abs=0.0006), name
        assert row["agreed_coverage"] == pytest.approx(coverage, abs=0.006), name
    assert {name for name, row in found.items() if not row["may_label"]} == {
        "Adversarial, ChatGPT", "Adversarial, LLaMA2", "Adversarial, Falcon",
    }  # fmt: skip


def test_the_longer_answer_agrees_with_so_many_labels() -> None:
    found = lengths(Path(REFERENCE or ""))["hh-rlhf, harmless, test"]
    assert found["n"] == 2301
    assert found["value"] == pytest.approx(0.445, abs=0.0006)
