"""Published numbers, recomputed from the data that they were published with. The data is not in the repository."""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from constitutional.core.stats.agreement import cohen_kappa, krippendorff_alpha
from constitutional.core.stats.intervals import bootstrap_mean, sign_test, wilson

REFERENCE = os.environ.get("CONSTITUTIONAL_REFERENCE_DATA", "")
pytestmark = pytest.mark.skipif(not REFERENCE, reason="CONSTITUTIONAL_REFERENCE_DATA is not set")
FOUR_DECIMALS = 0.5e-4


def lines(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path(REFERENCE) / path).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("model", "raw", "kappa"),
    [
        ("gpt4", 0.9844, 0.9701),
        ("llama2new", 0.9578, 0.9258),
        ("llama2orig", 0.9644, 0.9293),
        ("mistralguard", 0.9378, 0.8923),
        ("mistralinstruct", 0.9756, 0.9195),
    ],
)
def test_xstest_annotators(model: str, raw: float, kappa: float) -> None:
    path = Path(REFERENCE) / "xstest" / "annotated" / f"xstest_v2_completions_{model}_gpteval.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    first, second = [row["annotation_1"] for row in rows], [row["annotation_2"] for row in rows]
    assert same(first, second) == pytest.approx(raw, abs=FOUR_DECIMALS)
    assert cohen_kappa(first, second) == pytest.approx(kappa, abs=FOUR_DECIMALS)
    alpha = krippendorff_alpha({"1": one, "2": two} for one, two in zip(first, second, strict=True))
    assert alpha == pytest.approx(kappa, abs=1.5e-4)


def runs() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each published judge run with the statistics published for it."""
    published = {key(row): row for row in lines("llmbar/judge_statistics.jsonl")}
    verdicts = lines("llmbar/judge_verdicts.jsonl")
    assert len(verdicts) == len(published) == 325
    for run in verdicts:
        yield run, published[key(run)]


def key(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["subset"], row["judge"], row["strategy"]


def share(text: str) -> float:
    """``33 / 92 = 35.87%`` → 0.3587."""
    return float(text.rpartition("=")[2].strip(" %")) / 100


def same(ours: Sequence[str | None], theirs: Sequence[str | None]) -> float:
    """The share of items with the same label."""
    return sum(a == b for a, b in zip(ours, theirs, strict=True)) / len(ours)


def as_published(verdicts: Sequence[str | None]) -> list[int]:
    """The kappas were published of verdicts in which "2" and unreadable are 0 while the gold labels stay 1 and 2."""
    return [1 if verdict == "1" else 0 for verdict in verdicts]


def test_every_statistic_of_every_llmbar_run() -> None:
    for run, published in runs():
        gold = [str(label) for label in run["label"]]
        orders = run["winner_original_order"], run["winner_swapped_order"]
        both = [first if first == second else None for first, second in zip(*orders, strict=True)]
        accuracies = [same(order, gold) for order in orders]
        kappas = [cohen_kappa(as_published(order), run["label"]) for order in orders]
        found = {
            "correct_False": accuracies[0],
            "correct_True": accuracies[1],
            "correct_average": sum(accuracies) / 2,
            "correct_both": same(both, gold),
            "equal": same(*orders),
            "kappa_False": kappas[0],
            "kappa_True": kappas[1],
            "kappa_average": sum(kappa for kappa in kappas if kappa is not None) / 2,
            "kappa_agreement": cohen_kappa(as_published(orders[0]), as_published(orders[1])),
        }
        for name, value in found.items():
            expected = published[name]
            expected = share(expected) if isinstance(expected, str) else expected
            assert value == pytest.approx(expected, abs=FOUR_DECIMALS), (key(run), name)


@pytest.mark.parametrize(
    ("judge", "adversarial", "accuracy", "accuracy_of_both", "coverage"),
    [
        ("GPT-4", False, 0.955, 0.979, 0.95),
        ("PaLM2", False, 0.830, 0.912, 0.80),
        ("ChatGPT", False, 0.815, 0.944, 0.71),
        ("Falcon", False, 0.740, 0.962, 0.52),
        ("GPT-4", True, 0.810, 0.837, None),
        ("PaLM2", True, 0.657, 0.723, None),
        ("ChatGPT", True, 0.270, 0.141, None),
        ("Falcon", True, 0.509, 0.525, None),
    ],
)
def test_both_orders_raise_a_decent_judge_and_lower_one_below_chance(
    judge: str, adversarial: bool, accuracy: float, accuracy_of_both: float, coverage: float | None
) -> None:
    gold: list[str] = []
    orders: tuple[list[str | None], list[str | None]] = ([], [])
    for run, _ in runs():
        if (run["judge"], run["strategy"], "Adversarial" in run["subset"]) == (judge, "Vanilla", adversarial):
            gold += [str(label) for label in run["label"]]
            orders[0].extend(run["winner_original_order"])
            orders[1].extend(run["winner_swapped_order"])
    assert len(gold) == (319 if adversarial else 100)
    # Two unreadable verdicts count as equal, as they do in the published coverage.
    equal = [place for place in range(len(gold)) if orders[0][place] == orders[1][place]]
    single = bootstrap_mean(
        [float(verdict == label) for order in orders for verdict, label in zip(order, gold, strict=True)]
    )
    right = sum(orders[0][place] == gold[place] for place in equal)
    both = wilson(right, len(equal))
    assert single is not None
    assert both is not None
    assert single.value == pytest.approx(accuracy, abs=0.51e-3)
    assert both.value == pytest.approx(accuracy_of_both, abs=0.51e-3)
    if coverage is not None:
        assert len(equal) / len(gold) == coverage
    if judge == "ChatGPT" and adversarial:
        assert single.high < 0.5
        assert sign_test(right, len(equal) - right) < 1e-6


def test_the_longer_answer_in_hh_rlhf() -> None:
    with gzip.open(Path(REFERENCE) / "hh_rlhf_harmless_test" / "test.jsonl.gz", "rt", encoding="utf-8") as file:
        pairs = [json.loads(line) for line in file]
    lengths = [
        tuple(len(pair[side].rpartition("\n\nAssistant:")[2]) for side in ("chosen", "rejected")) for pair in pairs
    ]
    unequal = [float(chosen > rejected) for chosen, rejected in lengths if chosen != rejected]
    found = bootstrap_mean(unequal)
    assert len(unequal) == 2301
    assert found is not None
    assert found.value == pytest.approx(0.445, abs=0.5e-3)
    assert found.low < found.value < found.high < 0.5
