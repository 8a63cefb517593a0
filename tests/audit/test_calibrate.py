from __future__ import annotations

import pytest

from constitutional.audit.calibrate import Point, calibration, halves
from constitutional.audit.verdict import Verdict
from constitutional.core.stats.calibration import Calibrator
from tests.support.verdicts import pair, verdict

SHARES = {0.55: 0.52, 0.7: 0.58, 0.9: 0.7, 0.99: 0.85}
"""What an overconfident judge says, and how often it is right."""


def overconfident(n: int) -> list[Verdict]:
    """Of every confidence as many, right as often as ``SHARES`` says, evenly over the two sides."""
    found = []
    for said, share in SHARES.items():
        for place in range(n):
            right = place < round(share * n)
            label = 1.0 if right else 0.0
            first = place % 2 == 0
            found.append(verdict(pair(f"{said} {place}", label if first else 1 - label), said if first else 1 - said))
    return found


def test_a_miscalibrated_judge_is_mended_on_labels_that_the_map_has_not_seen() -> None:
    made = calibration(overconfident(100), seed=0)
    assert made.before is not None
    assert made.after is not None
    assert made.kind in ("temperature", "platt", "isotonic")
    assert made.before.ece.value > 0.1
    assert made.after.ece.value < made.before.ece.value / 2
    assert made.after.log_loss.value < made.before.log_loss.value
    assert made.calibrator(0.9) == pytest.approx(0.7, abs=0.06)
    assert made.calibrator(0.1) == pytest.approx(0.3, abs=0.06)


def test_with_few_labels_nothing_is_fitted_and_that_is_said() -> None:
    made = calibration(overconfident(100)[:29], seed=0)
    assert made.calibrator == Calibrator()
    assert made.after is None
    assert made.note.startswith("29 labels with a verdict: a calibration needs 30")


def test_the_error_lies_in_its_interval() -> None:
    """The plain bootstrap of a calibration error lies above it."""
    made = calibration(overconfident(25), seed=0)
    assert made.before is not None
    assert made.before.ece.low <= made.before.ece.value <= made.before.ece.high


def test_it_means_nothing_which_answer_is_called_a() -> None:
    one = overconfident(10)
    other = [verdict(own.pair.turned(), None if own.p is None else 1 - own.p) for own in one]
    left, right = calibration(one, 0), calibration(other, 0)
    assert left.before is not None
    assert right.before is not None
    assert left.before.ece.value == pytest.approx(right.before.ece.value)
    assert left.kind == right.kind


def test_no_prompt_is_on_both_sides_of_the_split() -> None:
    points = [Point(f"prompt {n // 7}", 0.6, 1.0) for n in range(100)]
    first, second = halves(points, 0)
    assert not {point.prompt for point in first} & {point.prompt for point in second}
    assert abs(len(first) - len(second)) <= 7
