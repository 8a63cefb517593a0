"""When each guard fires, on logs as trainers write them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.training.guards.spec import GUARDS, specs
from constitutional.training.guards.watch import Watch

Line = dict[str, Any]


def fired(lines: Iterable[Line], *given: str, tokens: float = 10.0, held_out: int = 0) -> dict[str, Any]:
    """Guard → the step at which it fired first."""
    watch = Watch.of(specs(given), tokens, held_out)
    for line in lines:
        watch.see(line)
    return {item["guard"]: item["step"] for item in watch.fired}


def look(step: int, **values: float) -> Line:
    names = {
        "accuracy": "eval_rewards/accuracies", "margin": "eval_rewards/margins",
        "chosen": "eval_logps/chosen", "rejected": "eval_logps/rejected", "loss": "eval_loss",
    }  # fmt: skip
    return {"step": step} | {names[name]: value for name, value in values.items()}


def train(step: int, accuracy: float = 0.5, norm: float = 1.0, loss: float = 0.5) -> Line:
    return {"step": step, "loss": loss, "grad_norm": norm, "rewards/accuracies": accuracy}


def healthy(steps: int = 60) -> list[Line]:
    """As a training that goes well writes it: accuracy rises, the margin grows, chosen sinks a little."""
    lines: list[Line] = [look(0, accuracy=0.5, margin=0.0, chosen=-50, rejected=-50, loss=0.7)]
    lines += [{"step": 0, "samples/tokens": 40.0, "samples/repeated": 0.05}]
    for step in range(1, steps + 1):
        lines.append(train(step, accuracy=min(0.98, 0.5 + step / 50), norm=5 / step + (step % 3) * 0.4))
        if step % 10 == 0:
            wiggle = 0.01 * (step % 20 == 0)
            lines.append(
                look(
                    step,
                    accuracy=min(0.9, 0.5 + step / 100) - wiggle,
                    margin=0.02 * step,
                    chosen=-50 - step / 60,
                    rejected=-50 - step,
                    loss=0.5,
                )
            )
            lines.append({"step": step, "kl": step / 10})
            lines.append({"step": step, "samples/tokens": 40.0 + step / 3, "samples/repeated": 0.08})
    return lines


def test_a_healthy_training_is_quiet() -> None:
    assert fired(healthy()) == {}


def test_divergence() -> None:
    assert fired([{"step": 5, "kl": 19.9}, {"step": 9, "kl": 20.1}]) == {"kl": 9}
    assert fired([{"step": 5, "kl": 19.9}], "kl=warn:10") == {"kl": 5}


def test_memorising_takes_both_and_a_second_look() -> None:
    best = [train(1, 0.97), look(1, accuracy=0.8)]
    falling = [train(2, 0.99), look(2, accuracy=0.7), train(3, 0.99), look(3, accuracy=0.7)]
    assert fired(best + falling) == {"memorising": 3}
    assert fired([*best, *falling[:2]]) == {}
    assert fired([*best, *falling[:2], train(3, 0.99), look(3, accuracy=0.8)]) == {}, "it came back"
    assert fired(best + [line | {"rewards/accuracies": 0.9} if "loss" in line else line for line in falling]) == {}


def test_one_of_ten_held_out_rows_is_no_fall() -> None:
    best = [train(1, 0.97), look(1, accuracy=1.0)]
    lost = [train(2, 0.99), look(2, accuracy=0.9), train(3, 0.99), look(3, accuracy=0.9)]
    assert fired(best + lost, held_out=10) == {}
    assert fired(best + lost, held_out=1000) == {"memorising": 3}
    half = [train(2, 0.99), look(2, accuracy=0.5), train(3, 0.99), look(3, accuracy=0.5)]
    assert fired(best + half, held_out=10) == {"memorising": 3}


def test_sinking_takes_both_answers_and_counts_by_token() -> None:
    lines = [look(0, chosen=-50, rejected=-60), look(4, chosen=-53, rejected=-63)]
    assert fired(lines, tokens=10) == {"sinking": 4}
    assert fired(lines, tokens=20) == {}
    assert fired([lines[0], look(4, chosen=-49, rejected=-90)]) == {}


def test_a_margin_collapses_when_it_was_one_and_stays_down() -> None:
    assert fired([look(1, margin=1.0), look(2, margin=0.4), look(3, margin=0.4)]) == {"margin": 3}
    assert fired([look(1, margin=1.0), look(2, margin=0.4), look(3, margin=0.9)]) == {}
    assert fired([look(1, margin=0.05), look(2, margin=-0.05), look(3, margin=-0.05)]) == {}


@pytest.mark.parametrize(
    "line",
    [
        {"step": 3, "loss": math.nan, "grad_norm": 1.0},
        {"step": 3, "loss": 1.0, "grad_norm": math.inf},
        {"step": 3, "eval_loss": math.nan},
        {"step": 3, "loss": None},
    ],
)
def test_no_number(line: Line) -> None:
    assert fired([line]) == {"nan": 3}


def test_a_spike_is_one_against_what_is_usual() -> None:
    usual = [train(step, norm=1.0) for step in range(1, 12)]
    assert fired([*usual, train(12, norm=11.0)]) == {"spike": 12}
    assert fired([*usual, train(12, norm=9.0)]) == {}
    assert fired([*usual[:5], train(6, norm=11.0)]) == {}, "five steps are no custom"


def test_length_drifts_both_ways_from_the_first_samples() -> None:
    def samples(step: int, tokens: float) -> Line:
        return {"step": step, "samples/tokens": tokens, "samples/repeated": 0.0}

    assert fired([samples(0, 40), samples(5, 81)]) == {"length": 5}
    assert fired([samples(0, 40), samples(5, 19)]) == {"length": 5}
    assert fired([samples(0, 40), samples(5, 75), samples(9, 25)]) == {}
    assert fired([samples(0, 0), samples(5, 1)]) == {}


def test_repetition_is_a_rise() -> None:
    def samples(step: int, share: float) -> Line:
        return {"step": step, "samples/tokens": 40.0, "samples/repeated": share}

    assert fired([samples(0, 0.1), samples(5, 0.35)]) == {"repetition": 5}
    assert fired([samples(0, 0.6), samples(5, 0.7)]) == {}


def test_a_guard_that_is_off_sees_nothing() -> None:
    assert fired([{"step": 5, "kl": 100.0}], "kl=off") == {}


@given(st.permutations(range(6)))
def test_the_table_has_every_guard_and_the_worst_that_was_seen(order: list[int]) -> None:
    watch = Watch.of(specs(["spike=off"]))
    for step, kl in enumerate(order):
        watch.see({"step": step, "kl": 5.0 * kl})
    rows = {row[0]: row[2:] for row in watch.table("dpo")["rows"]}
    assert set(rows) == set(GUARDS)
    assert rows["kl"] == ["stop", "20", "25", f"step {order.index(5)}, 1×"]
    assert rows["spike"] == ["off", "10", "", "off"]
    assert rows["margin"] == ["warn", "0.5", "", "not measured"]


def test_it_is_said_once_and_counted() -> None:
    watch = Watch.of(specs([]))
    said = [watch.see({"step": step, "kl": kl}) for step, kl in enumerate([10, 30, 50, 40])]
    assert [len(one) for one in said] == [0, 1, 0, 0]
    (item,) = watch.fired
    assert (item["step"], item["times"], item["worst"]) == (1, 3, 50)
    assert "50.0" in item["said"]
