"""The benchmarks of training at the size of a toy: that they measure what they say, not how much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import soft_labels, train_gpu


def test_the_planted_judge_is_wrong_as_often_as_it_says() -> None:
    good = soft_labels.world(0, 40)
    assert sum(good) == 20
    rows, test = soft_labels.judged(0, good, 4000), soft_labels.true(0, good, 400, 4000)
    wrong = soft_labels.mistaken(rows, good)
    assert sum(wrong) / len(wrong) == pytest.approx(0.3, abs=0.02)
    assert not any(soft_labels.mistaken(test, good))
    for low, high in (soft_labels.UNSURE, soft_labels.SURE):
        some = [(row["p_chosen"], bad) for row, bad in zip(rows, wrong, strict=True) if low <= row["p_chosen"] <= high]
        said = sum(p for p, _ in some) / len(some)
        assert 1 - sum(bad for _, bad in some) / len(some) == pytest.approx(said, abs=0.04)
    few = rows[:80]
    assert soft_labels.votes(few, test, weighted=True) > soft_labels.votes(few, test, weighted=False) > 0.6
    assert len({soft_labels.word(number) for number in range(400)}) == 400


@pytest.mark.slow
def test_soft_labels_at_the_size_of_a_toy() -> None:
    found = soft_labels.measure(words=8, pairs=16, seeds=(0,), epochs=1.0)
    accuracies = found["seeds"]["0"]["accuracy"]
    assert list(accuracies) == list(soft_labels.KINDS)
    assert all(0 <= value <= 1 for value in accuracies.values())
    assert "| `soft` |" in soft_labels.details(found)
    assert soft_labels.summary(found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("who", "kind"), [("ours", "full"), ("ours", "lora"), ("shared", "full"), ("trl", "full"), ("trl", "lora")]
)
def test_a_trainer_of_the_speed_benchmark_at_the_size_of_a_toy(tmp_path: Path, who: str, kind: str) -> None:
    case: dict[str, Any] = {
        "size": "toy", "kind": kind, "who": who, "batch": 4, "micro": 2, "steps": 2, "cpu": True, "checkpointing": False,
        "folder": str(tmp_path),
    }  # fmt: skip
    found = train_gpu.one(case)
    assert found["pairs_per_second"] > 0
    assert found["peak_bytes"] > 2**20
    assert (found["reference_seconds_per_pair"] > 0) == (who != "trl")
    if who != "trl":
        assert found["tokens"]["all"] > found["tokens"]["answers"] > 16


def test_the_limit_counts_every_weight_twice_a_pass() -> None:
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    for size in ("0.5b", "7b"):
        with torch.device("meta"):
            model = Qwen2ForCausalLM(Qwen2Config(**train_gpu.SIZES[size]))
        products = sum(module.weight.numel() for module in model.modules() if isinstance(module, torch.nn.Linear))
        tokens = {"all": 1000.0, "answers": 1000.0, "squared": 0.0}
        assert train_gpu.flops_per_pair(size, "full", tokens) == pytest.approx(4 * 2 * products * 1000, rel=1e-6)
        assert train_gpu.flops_per_pair(size, "lora", tokens) == pytest.approx(3 * 2 * products * 1000, rel=1e-6)


def test_what_does_not_fit_is_a_finding() -> None:
    ours = {"pairs_per_second": 10.0, "peak_bytes": 2**30, "checkpointing": True}
    case = {"size": "7b", "kind": "full", "micro": 2, "trl": {"failed": "out of memory"}, "ours": ours, "whole": 8.0}
    text = train_gpu.details({"device": "X", "matrix_rate": 1e14, "batch": 32, "steps": 6, "cases": [case]})
    assert "| 7b | full | out of memory | 10 (checkpointing) | 8 |" in text
