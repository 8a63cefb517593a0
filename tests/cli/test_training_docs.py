"""docs/training.md: its commands run on a tiny model, and its tables list every guard and every reason."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from constitutional.training.guards.spec import GUARDS
from constitutional.training.rows import Drop
from tests.cli.conftest import Cli
from tests.support.tiny_model import make_tiny_model
from tests.training.planted import write_dataset

pytest.importorskip("trl")

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMANDS = [line for block in BLOCK.findall(PAGE) for line in block.splitlines()]
MODEL = "Qwen/Qwen3-0.6B"


def rows(title: str) -> list[list[str]]:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert found
    lines = [line for line in found[1].splitlines() if line.startswith("| `")]
    return [[cell.strip().strip("`") for cell in line.split("|")[1:-1]] for line in lines]


@pytest.mark.slow
def test_every_command_runs(cli: Cli, tmp_path: Path) -> None:
    """On a model and a dataset of its own, on the CPU, and with as few samples as do."""
    tiny = make_tiny_model(tmp_path / "tiny")
    write_dataset(Path("runs/mine"), 40, 20)
    assert len(COMMANDS) >= 8
    for command in COMMANDS:
        words = [str(tiny) if word == MODEL else word for word in shlex.split(command)]
        assert words[0] == "constitutional"
        few = ("--cpu", "--samples", "2", "--sample-tokens", "8", "--quiet") if words[1] == "train" else ("--quiet",)
        made = cli(*words[1:], *few)
        assert made.code == 0, f"{command}\n{made.err}"
    assert Path("models/swept/beta-sweep.svg").is_file()
    assert Path("models/both/sft").is_dir()
    assert Path("models/mine/config.json").is_file(), "merged"


def test_every_guard_is_described_as_it_is() -> None:
    described = {row[0]: row[1:] for row in rows("Guards")}
    thresholds = {name: "" if spec.threshold is None else f"{spec.threshold:g}" for name, spec in GUARDS.items()}
    assert described == {name: [spec.about, thresholds[name], spec.action] for name, spec in GUARDS.items()}


def test_every_reason_for_leaving_a_row_out_is_described() -> None:
    reasons = {value for name, value in vars(Drop).items() if name.isupper()}
    assert {row[0] for row in rows("Rows that are not trained on")} == reasons
