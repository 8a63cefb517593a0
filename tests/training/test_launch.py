"""Two processes over gloo train what one process trains."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from constitutional.cli.train import command as train_command
from tests.training.planted import write_dataset

pytestmark = pytest.mark.slow


def command(out: str, tiny: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "constitutional", "train", "data", "--model", str(tiny), "--out", out, "--lr", "1e-3",
        "--batch", "16", "--micro-batch", "4", "--max-steps", "12", "--eval-every", "4", "--save-every", "4", "--cpu",
        "--samples", "2", *more,
    ]  # fmt: skip


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


LAUNCH = ("--launcher", "accelerate", "--config", "cpu")


def test_two_processes_train_the_same_model(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from safetensors.torch import load_file

    write_dataset(tmp_path / "data", 80)
    monkeypatch.chdir(tmp_path)
    assert train_command.main(command("one", tiny, "--quiet", "--json")[4:], standalone_mode=False) == 0
    done = subprocess.run(
        command("two", tiny, "--json", *LAUNCH), env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "complete"
    assert "Traceback" not in done.stderr
    traces = []
    for out in ("one", "two"):
        lines = [json.loads(line) for line in (tmp_path / out / "log.jsonl").read_text().splitlines()]
        traces.append([line["loss"] for line in lines if "loss" in line])
    assert len(traces[0]) == 12
    assert traces[0] == pytest.approx(traces[1], rel=1e-3)
    one, two = (load_file(tmp_path / out / "model.safetensors") for out in ("one", "two"))
    assert all(torch.allclose(one[name], two[name], atol=1e-3) for name in one)


def test_ctrl_c_ends_all_processes_with_one_checkpoint(tmp_path: Path, tiny: Path) -> None:
    write_dataset(tmp_path / "data", 80)
    wanted = command("out", tiny, "--max-steps", "400", "--save-every", "400", *LAUNCH)
    process = subprocess.Popen(
        wanted, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("dpo 4/"):
            break
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "interrupted; run the same command again to go on" in out
    (checkpoint,) = (tmp_path / "out.part").rglob("checkpoint-*")
    assert (checkpoint / ".complete").is_file()
