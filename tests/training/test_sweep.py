"""``--beta sweep``: which β it takes, what it leaves behind, and that nothing is trained twice. And ``--loss auto``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.errors import RunStoppedError
from constitutional.training import sweep
from constitutional.training.run import train
from constitutional.training.settings import TrainSettings
from constitutional.training.stages import run_stage
from constitutional.training.sweep import GRIDS, Tried, pick
from tests.training.planted import write_dataset


def tried(beta: float, margin: float, kl: float | None) -> Tried:
    return Tried(beta, margin, 0.9, 0.5, kl, 10)


def test_the_largest_margin_near_the_reference_is_taken() -> None:
    some = [tried(0.5, 2.0, 1.0), tried(0.3, 5.0, 9.9), tried(0.1, 9.0, 10.0), tried(0.05, 20.0, 30.0)]
    best, why = pick(some, 10)
    assert best.beta == 0.3
    assert why == (
        "--beta sweep took 0.3: largest held-out margin (5.00 nats) with KL below 10 (it is 9.90), of 2 out of 4"
    )
    assert pick(some, 50)[0].beta == 0.05


def test_where_none_is_near_the_least_far_is_taken_and_it_is_said() -> None:
    best, why = pick([tried(0.5, 2.0, 12.0), tried(0.1, 9.0, 30.0)], 10)
    assert (best.beta, why) == (0.5, "--beta sweep took 0.5: none has KL below 10, and its 12.0 is the least")
    with pytest.raises(RunStoppedError, match="no KL could be measured"):
        pick([tried(0.5, 2.0, None)], 10)


@given(st.lists(st.tuples(st.floats(-5, 50), st.none() | st.floats(0, 40)), min_size=1, max_size=6), st.floats(1, 30))
def test_what_is_taken_is_never_worse_within_the_limit(figures: list[tuple[float, float | None]], most: float) -> None:
    some = [tried(0.1 * (at + 1), margin, kl) for at, (margin, kl) in enumerate(figures)]
    within = [one for one in some if one.kl is not None and one.kl < most]
    if within:
        best, _ = pick(some, most)
        assert best in within
        assert best.margin == max(one.margin for one in within)


def settings(tmp_path: Path, tiny: Path, **changes: Any) -> TrainSettings:
    if not (tmp_path / "data").exists():
        write_dataset(tmp_path / "data", 60)
    given: dict[str, Any] = {
        "source": str(tmp_path / "data"), "model": str(tiny), "out": str(tmp_path / "out"), "lr": 1e-3, "cpu": True,
        "batch": 16, "micro_batch": 16, "max_steps": 4, "eval_every": 4, "samples": 4, "sample_tokens": 8,
    }  # fmt: skip
    return TrainSettings(**(given | changes))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The β of every short training that was begun; one of 99 there interrupts the next."""
    begun: list[float] = []
    original = run_stage

    def counted(work: Any) -> Any:
        if begun[-1:] == [99]:
            raise KeyboardInterrupt
        begun.append(work.settings.beta)
        if len(begun) == 2:
            begun.append(99)
        return original(work)

    monkeypatch.setattr(sweep, "run_stage", counted)
    return begun


@pytest.mark.slow
def test_a_sweep_is_resumed_kept_and_shown(tmp_path: Path, tiny: Path, runs: list[float]) -> None:
    wanted = settings(tmp_path, tiny, sweep=True, sweep_steps=2, loss="ipo")
    with pytest.raises(KeyboardInterrupt):
        train(wanted)
    assert runs == [1.0, 0.5, 99]
    runs[:] = [0.0, 0.0, 0.0]
    made = train(wanted)
    assert runs[3:] == [0.1, 0.01], "the first two are known"
    (stage,) = made.record["stages"]
    table = stage["tables"][0]
    assert [float(row[0]) for row in table["rows"]] == list(GRIDS["ipo"])
    (taken,) = [row for row in table["rows"] if row[-1] == "taken"]
    assert stage["found"] == {"beta": float(taken[0]), "ipo_beta": float(taken[0])}
    assert stage["notes"][0].startswith(f"--beta sweep took {taken[0]}: ")
    card = (made.out / "README.md").read_text()
    assert f"| beta | {taken[0]} |" in card
    assert "![Sweep over beta](beta-sweep.svg)" in card
    assert (made.out / "beta-sweep.svg").read_text().count("<circle") >= len(GRIDS["ipo"])
    assert not [path for path in made.out.iterdir() if path.is_dir()], "no short training's model is left"
    again = train(settings(tmp_path, tiny, sweep=True, sweep_steps=2, loss="ipo", out=str(tmp_path / "other")))
    assert again.record["stages"][0]["found"] == stage["found"]
    assert len(runs) == 5, "another folder, the same data and model"
    assert train(wanted).status == "done"


def test_the_loss_that_suits_the_data_is_taken_and_explained(tmp_path: Path, tiny: Path) -> None:
    said: list[str] = []
    made = train(settings(tmp_path, tiny, loss="auto", max_steps=1), said.append)
    why = "--loss auto took ipo, since there are fewer than 10,000 pairs: label agreement 0.90 (mean of p_chosen), 60 pairs"
    assert made.record["settings"]["loss"] == "ipo"
    assert said[0].startswith(why)
    assert made.record["notes"] == [said[0]]
    assert f"- {said[0]}" in (made.out / "README.md").read_text()
    assert json.loads((made.out / "training.json").read_text())["settings"]["auto_size"] == 10_000
    many = train(settings(tmp_path, tiny, loss="auto", auto_size=50, out=str(tmp_path / "many"), max_steps=1))
    assert many.record["settings"]["loss"] == "dpo"
    doubtful = settings(tmp_path, tiny, loss="auto", auto_size=50, auto_agreement=0.95, out=str(tmp_path / "few"))
    assert train(doubtful.but(max_steps=1)).record["settings"]["loss"] == "ipo"
