"""Calibrators: their algebra, and that they find what was planted."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from constitutional.core.stats.calibration import KINDS, Calibrator, Kind, choose, fit
from constitutional.core.stats.regression import sigmoid
from constitutional.core.stats.reliability import ece, log_loss

PROBABILITIES = st.one_of(st.floats(0, 1), st.sampled_from((0.0, 0.5, 1.0, 0.49999999999999994, 0.5000000000000001)))
LABELS = st.lists(st.tuples(PROBABILITIES, st.sampled_from((0.0, 0.5, 1.0))), max_size=30)
NUMBERS = st.floats(-20, 20)


@st.composite
def calibrators(draw: st.DrawFn) -> Calibrator:
    kind = draw(st.sampled_from(KINDS))
    if kind == "isotonic":
        size = draw(st.integers(1, 6))
        places = sorted(draw(st.lists(st.floats(0.5, 1), min_size=size, max_size=size)))
        values = sorted(draw(st.lists(st.floats(0, 1), min_size=size, max_size=size)))
        return Calibrator(kind, knots=tuple(zip(places, values, strict=True)))
    return Calibrator(kind, tuple(draw(NUMBERS) for _ in range({"temperature": 1, "platt": 2}.get(kind, 0))))


def planted(n: int, seed: int, right: Callable[[float], float], spread: float = 1.5) -> tuple[list[float], list[float]]:
    """Pairs on which a judge of confidence c is right with the probability ``right(c)``; which answer is called A is
    arbitrary."""
    chance = random.Random(seed)
    ps, labels = [], []
    for _ in range(n):
        p = sigmoid(chance.gauss(0, spread))
        is_right = chance.random() < right(max(p, 1 - p))
        ps.append(p)
        labels.append(float((p > 0.5) == is_right))
    return ps, labels


def softened(slope: float, shift: float = 0.0) -> Callable[[float], float]:
    return Calibrator("platt", (slope, shift)).confidence


def error(calibrator: Calibrator, ps: Sequence[float], labels: Sequence[float]) -> float:
    found = ece([calibrator(p) for p in ps], labels)
    assert found is not None
    return found


@given(calibrators(), PROBABILITIES)
def test_what_is_called_a_is_arbitrary(f: Calibrator, p: float) -> None:
    assert f(p) + f(1 - p) == pytest.approx(1, abs=1e-12)
    assert f(0.5) == 0.5
    assert 0 <= f(p) <= 1


@given(calibrators(), PROBABILITIES, PROBABILITIES)
def test_more_confidence_never_counts_for_less(f: Calibrator, p: float, q: float) -> None:
    """On one side of ½; across it too where the judge is above chance. A fitted slope may be negative: then for more."""
    assume(0.49999999999999994 not in (p, q))  # 1 − p is ½ there
    low, high = sorted((p, q))
    falls = bool(f.parameters) and f.parameters[0] < 0
    if low > 0.5 or high < 0.5:
        assert f(low) >= f(high) - 1e-12 if falls else f(low) <= f(high) + 1e-12
    elif f.confidence(0.5) >= 0.5 and not falls:
        assert f(low) <= f(high) + 1e-12


@given(calibrators())
def test_json_gives_it_back(f: Calibrator) -> None:
    assert Calibrator.from_json(json.loads(json.dumps(f.to_json()))) == f


@given(PROBABILITIES)
def test_identity_changes_nothing(p: float) -> None:
    assert Calibrator()(p) == p
    assert Calibrator("temperature", (1.0,))(p) == pytest.approx(p, abs=2e-6), "but for the clip"


def test_temperature_is_a_temperature() -> None:
    f = Calibrator("temperature", (0.5,))
    assert f(sigmoid(3.0)) == pytest.approx(sigmoid(1.5))
    assert f(sigmoid(-3.0)) == pytest.approx(sigmoid(-1.5))
    assert f(1.0) == pytest.approx(sigmoid(13.8155 / 2), abs=1e-6), "certainty is clipped, not infinite"
    assert f(0.0) == pytest.approx(sigmoid(-13.8155 / 2), abs=1e-6)


def test_a_judge_below_chance_is_shown_as_one() -> None:
    f = fit("platt", *planted(2000, 1, lambda c: 1.2 - c))
    assert f(0.9) < 0.5 < f(0.1)


@pytest.mark.parametrize("slope", [0.2, 1 / 3, 0.5, 2.0])
def test_a_planted_temperature_is_recovered_and_the_error_falls(slope: float) -> None:
    ps, labels = planted(20_000, 3, softened(slope), spread=1.5 / slope)
    f = fit("temperature", ps[:10_000], labels[:10_000])
    assert f.parameters[0] == pytest.approx(slope, rel=0.05)
    before, after = error(Calibrator(), ps[10_000:], labels[10_000:]), error(f, ps[10_000:], labels[10_000:])
    assert after < before / 5
    assert after < 0.015


@pytest.mark.parametrize("kind", ["platt", "isotonic"])
def test_a_planted_shift_is_recovered_and_the_error_falls(kind: Kind) -> None:
    ps, labels = planted(20_000, 4, softened(0.4, -0.3), spread=4)
    f = fit(kind, ps[:10_000], labels[:10_000])
    if kind == "platt":
        assert f.parameters == pytest.approx((0.4, -0.3), abs=0.08)
    assert error(f, ps[10_000:], labels[10_000:]) < error(Calibrator(), ps[10_000:], labels[10_000:]) / 5


def test_ties_of_people_pull_towards_half() -> None:
    ps = [0.9, 0.2] * 200
    agreed, tied = [1.0, 0.0] * 200, [1.0, 0.5] * 200
    assert fit("temperature", ps, agreed)(0.9) > fit("temperature", ps, tied)(0.9) > 0.5
    shares = [0.8, 0.2] * 200
    assert fit("platt", [0.9, 0.1] * 200, shares)(0.9) == pytest.approx(0.8, abs=0.005)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_no_labels_make_it_certain(kind: Kind) -> None:
    """All fifty right: surer than before, and still no certainty."""
    chance = random.Random(1)
    ps = [0.55 + 0.4 * chance.random() for _ in range(50)]
    f = fit(kind, ps, [1.0] * 50)
    assert 0.9 < f(0.8) < 1
    assert f(0.95) < 1


@settings(deadline=None)
@given(LABELS, st.sampled_from(KINDS))
def test_every_set_of_labels_has_a_fit(items: list[tuple[float, float]], kind: Kind) -> None:
    ps, labels = [p for p, _ in items], [label for _, label in items]
    f = fit(kind, ps, labels)
    assert all(0 <= f(p) <= 1 for p in (*ps, 0.0, 0.3, 1.0))
    turned = fit(kind, [1 - p for p in ps], [1 - label for label in labels])
    if all(1 - (1 - p) == p for p in ps):
        assert turned(0.8) == pytest.approx(f(0.8), abs=1e-6), "A and B changed places"
    if all(p == 0.5 for p in ps):
        assert f == Calibrator()


@settings(deadline=None, max_examples=30)
@given(LABELS)
def test_every_set_of_labels_has_a_choice(items: list[tuple[float, float]]) -> None:
    ps, labels = [p for p, _ in items], [label for _, label in items]
    f, losses = choose(ps, labels)
    assert list(losses) == (list(KINDS) if items else [])
    assert choose(ps, labels) == (f, losses)
    if items:
        assert losses["identity"] == pytest.approx(log_loss(ps, labels))


def test_what_is_calibrated_is_left_alone() -> None:
    kept = [choose(*planted(400, seed, lambda c: c))[0].kind for seed in range(20)].count("identity")
    assert kept >= 17
    for kind in KINDS[1:]:
        f = fit(kind, *planted(20_000, 5, lambda c: c))
        assert all(f(c) == pytest.approx(c, abs=0.03) for c in (0.55, 0.65, 0.75, 0.85, 0.95))


@pytest.mark.parametrize(
    ("right", "spread", "kind"),
    [
        (lambda c: c, 1.5, "identity"),
        (softened(0.3), 5.0, "temperature"),
        (softened(0.8, -1.0), 3.0, "platt"),
        (lambda c: 0.55 if c < 0.8 else 0.95, 2.0, "isotonic"),
    ],
)
def test_the_kind_that_fits_is_chosen(right: Callable[[float], float], spread: float, kind: Kind) -> None:
    f, losses = choose(*planted(6000, 8, right, spread))
    assert f.kind == kind
    assert losses[kind] <= min(losses.values()) + 0.002


def test_identity_always_takes_part() -> None:
    ps, labels = planted(300, 2, lambda c: c)
    f, losses = choose(ps, labels, kinds=("isotonic",))
    assert set(losses) == {"identity", "isotonic"}
    assert f == Calibrator()


def test_the_seed_shuffles_the_folds() -> None:
    ps, labels = planted(60, 2, softened(0.5))
    assert choose(ps, labels, seed=1)[1] != choose(ps, labels, seed=2)[1]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"kind": "magic"}, "magic"),
        ({}, "is called"),
        ({"kind": "temperature"}, "temperature"),
        ({"kind": "platt", "parameters": [1.0]}, "platt"),
        ({"kind": "temperature", "parameters": [float("nan")]}, "finite"),
        ({"kind": "identity", "knots": [[0.5, 0.5]]}, "knots"),
        ({"kind": "isotonic"}, "knots"),
        ({"kind": "isotonic", "knots": [[0.9, 0.5], [0.6, 0.6]]}, "rise"),
        ({"kind": "isotonic", "knots": [[0.6, 0.7], [0.9, 0.6]]}, "rise"),
        ({"kind": "isotonic", "knots": [[0.6, 1.7]]}, "0, 1"),
    ],
)
def test_a_broken_card_is_not_read(value: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Calibrator.from_json(value)


def test_what_is_no_probability() -> None:
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="p = "):
            Calibrator()(wrong)
        with pytest.raises(ValueError, match="p = "):
            fit("platt", [wrong], [1.0])
    with pytest.raises(ValueError, match="label = 2"):
        fit("temperature", [0.7], [2.0])
    with pytest.raises(ValueError, match="longer"):
        fit("temperature", [0.7], [1.0, 0.0])
