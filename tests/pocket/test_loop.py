"""The whole loop at a small size, as `constitutional demo` runs it: what is asserted is its effect."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import click
import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

from constitutional.cli import cli
from constitutional.cli.demo import plan as demo_plan
from constitutional.cli.demo import steps as demo_steps
from constitutional.errors import LedgerError, MissingExtraError, UsageError
from constitutional.ledger.folder import RunLock
from constitutional.training.folder import RECORD

SMALL = demo_plan.Size(prompts=70, responses=4, labels=30, held_out=150, answers=1, epochs=8)
pytestmark = pytest.mark.filterwarnings("ignore")


def demo(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[Any, str]:
    """Exit code 0 is None for click; the result, and what was said."""
    capsys.readouterr()
    code = cli.main(["demo", *arguments, "--json", "--fast"], prog_name="constitutional", standalone_mode=False)
    said = capsys.readouterr()
    assert not code
    return json.loads(said.out), said.err


def roles_of(ledger: Path) -> dict[str, set[str]]:
    with sqlite3.connect(ledger) as database:
        rows = database.execute("SELECT DISTINCT role, model FROM calls").fetchall()
    database.close()
    found: dict[str, set[str]] = {}
    for role, model in rows:
        found.setdefault(role, set()).add(model)
    return found


@pytest.mark.slow
def test_training_on_its_own_labels_makes_it_behave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo_plan, "FAST", SMALL)
    out = tmp_path / "demo"
    found, _ = demo(capsys, "--out", str(out))
    before, after = (
        {name: row[which]["value"] for name, row in found["measures"].items()} for which in ("base", "tuned")
    )
    assert before["violation_rate"] > 0.35
    assert after["violation_rate"] < before["violation_rate"] - 0.2
    assert after["score:pocket-correct/tag:harmless"] > before["score:pocket-correct/tag:harmless"] - 0.1
    assert after["over_refusal"] < 0.05

    # It is the toolkit's own path: each role asked the model through the ledger, TRL trained, the oracle is a plugin.
    assert roles_of(out / "data" / "run.db") == {
        role: {"pocket:base"} for role in ("policy", "critic", "reviser", "judge")
    }
    record = json.loads((out / "model-dpo" / RECORD).read_text())
    assert record["versions"]["trl"]
    assert record["stages"][0]["rows"] > 20
    evaluation = json.loads((out / "evaluation-dpo" / "evaluation.json").read_text())
    assert "pocket-oracle" in json.dumps(evaluation["critic"])
    assert "## Effect" in (out / "model-dpo" / "README.md").read_text()
    card = json.loads((out / "data" / "judge-card.json").read_text())
    assert card["gate"]["may_label"]

    again, said_again = demo(capsys, "--out", str(out))
    assert again == found
    assert "done already" in said_again


def test_one_demo_at_a_time_in_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "demo"
    out.mkdir()
    with RunLock(out / ".lock"), pytest.raises(LedgerError, match="in use by another process"):
        demo(capsys, "--out", str(out))


def test_a_folder_is_one_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = demo_plan.Plan(tmp_path / "demo", fast=True)
    plan.begin()
    before = {path.name: path.read_bytes() for path in plan.out.iterdir()}
    plan.begin()
    with pytest.raises(UsageError, match=r"holds another demo \(seed 0 → 1\): choose another folder with --out"):
        demo(capsys, "--out", str(plan.out), "--seed", "1")
    (plan.out / ".lock").unlink()
    assert {path.name: path.read_bytes() for path in plan.out.iterdir()} == before


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds something else than a demo"):
        demo(capsys, "--out", str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"thesis.txt", ".lock"}


def test_a_damaged_record_of_a_demo_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = demo_plan.Plan(tmp_path / "demo", fast=True)
    plan.begin()
    (plan.out / "demo.json").write_text('{"demo": 1, "se')
    with pytest.raises(UsageError, match=r"demo\.json: cannot be read: remove it"):
        demo(capsys, "--out", str(plan.out))


def test_a_place_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match=r"cannot be written: .* is a file, no folder; choose another"):
        demo(capsys, "--out", str(tmp_path / "file" / "demo"))


def test_what_is_not_installed_is_said_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo_steps, "NEEDED", ("no_such_library",))
    with pytest.raises(
        MissingExtraError, match=r"no_such_library is not installed: pip install 'constitutional\[train\]'"
    ):
        demo(capsys, "--out", str(tmp_path / "demo"))


def test_where_an_interrupt_stopped_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``sample`` knows nothing of Ctrl-C, ``train`` says by its exit code that it was pressed."""
    outcomes: dict[str, list[Any]] = {"sample": [KeyboardInterrupt(), 0], "train": [130]}

    def pressed(arguments: list[str], **_: Any) -> int:
        outcome = outcomes.get(arguments[0], [0]).pop(0)
        if isinstance(outcome, BaseException):
            raise click.Abort from outcome
        return int(outcome)

    monkeypatch.setattr(cli, "main", pressed)
    monkeypatch.setattr(demo_steps, "label", lambda sheet, to: None)
    plan = demo_plan.Plan(tmp_path / "demo", fast=True)
    stopped = "the demo was stopped in step {}: the same command again goes on from there"
    with pytest.raises(click.Abort):
        demo_steps.run(plan, as_json=False, quiet=True)
    assert capsys.readouterr().err.splitlines()[-1] == stopped.format("2/6, sample")
    assert demo_steps.run(plan, as_json=False, quiet=True) == 130
    assert capsys.readouterr().err.splitlines()[-1] == stopped.format("4/6, train")


@pytest.mark.parametrize("loss", ["ipo", "hybrid"])
def test_another_loss_shares_the_dataset(loss: str, tmp_path: Path) -> None:
    one, other = demo_plan.Plan(tmp_path, "dpo"), demo_plan.Plan(tmp_path, loss)
    assert one.data == other.data
    assert one.model != other.model
    assert one.evaluation != other.evaluation


def test_the_run_file_of_a_demo_is_the_shipped_one_with_its_own_sizes(tmp_path: Path) -> None:
    import yaml

    plan = demo_plan.Plan(tmp_path / "demo", seed=4, from_scratch=True)
    plan.begin()
    shipped = yaml.safe_load(demo_plan.RUN_FILE.read_text())
    made = yaml.safe_load(plan.run_file.read_text())
    assert made["models"]["policy"]["name"] == "pocket:seed-4"
    own = {"models", "responses", "seed", "out"}
    assert {name: value for name, value in made.items() if name not in own} == {
        name: value for name, value in shipped.items() if name not in own
    }
