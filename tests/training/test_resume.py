"""A training that is killed, interrupted or out of disk goes on where it was, and ends where it would have ended."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from constitutional.cli.train import command as train_command
from constitutional.cli.train import settings_of
from constitutional.errors import LedgerError, RunStoppedError
from constitutional.training.run import train
from constitutional.training.settings import TrainSettings
from tests.training.planted import write_dataset

STEPS = 30


def command(folder: Path, tiny: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "constitutional", "train", str(folder / "data"), "--model", str(tiny), "--out",
        str(folder / "out"), "--lr", "3e-3", "--batch", "16", "--micro-batch", "8", "--max-steps", str(STEPS),
        "--eval-every", "2", "--save-every", "2", "--cpu", "--samples", "2",
        "--guard", "kl=warn", *more,
    ]  # fmt: skip


def start(folder: Path, tiny: Path, *more: str) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(
        command(folder, tiny, *more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def until(process: subprocess.Popen[str], step: int) -> None:
    """Reads progress until a step at least as late as this."""
    assert process.stderr is not None
    for line in process.stderr:
        words = line.split()
        if words[:1] == ["dpo"] and int(words[1].split("/")[0]) >= step:
            return
    raise AssertionError("it ended before")


def finished(folder: Path, tiny: Path, *more: str) -> str:
    """How it ended, of the same command in this process: starting another one takes longer than the training."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    context = train_command.make_context("train", command(folder, tiny, *more)[4:])
    flags = {
        name: value for name, value in context.params.items() if name not in ("source", "dry_run", "as_json", "quiet")
    }
    try:
        return train(settings_of(context.params["source"], flags)).status
    finally:
        torch.set_num_threads(threads)


def trace(folder: Path, figure: str = "loss") -> list[tuple[int, float]]:
    lines = [json.loads(line) for line in (folder / "out" / "log.jsonl").read_text().splitlines()]
    return [(line["step"], line[figure]) for line in lines if figure in line]


def assert_same(a: Path, b: Path, file: str) -> None:
    assert [step for step, _ in trace(a)] == [step for step, _ in trace(b)] == list(range(1, STEPS + 1))
    for figure in ("loss", "eval_loss", "kl"):
        assert dict(trace(a, figure)) == pytest.approx(dict(trace(b, figure)), abs=1e-6)
    assert [step for step, _ in trace(a, "kl")] == list(range(0, STEPS + 1, 2))
    one, other = (load_file(folder / "out" / file) for folder in (a, b))
    assert one.keys() == other.keys()
    assert max((one[name] - other[name]).abs().max().item() for name in one) < 1e-6


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> dict[str, Path]:
    """Trainings that nothing disturbed."""
    made = {}
    for name, more in KINDS.items():
        made[name] = tmp_path_factory.mktemp(f"whole-{name}")
        write_dataset(made[name] / "data", 100)
        assert finished(made[name], tiny, *more) == "complete"
    return made


KINDS: dict[str, tuple[str, ...]] = {"full": (), "adapter": ("--lora", "4")}


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "kills"), [("full", (7, 21)), ("adapter", (11,))])
def test_killed_and_resumed_is_as_if_it_had_never_been(
    tmp_path: Path, tiny: Path, whole: dict[str, Path], kind: str, kills: tuple[int, ...]
) -> None:
    write_dataset(tmp_path / "data", 100)
    for step in kills:
        process = start(tmp_path, tiny, *KINDS[kind])
        until(process, step)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (tmp_path / "out").exists()
        assert (tmp_path / "out.part").is_dir()
    assert finished(tmp_path, tiny, *KINDS[kind]) == "complete"
    assert_same(whole[kind], tmp_path, "adapter_model.safetensors" if kind == "adapter" else "model.safetensors")
    assert not (tmp_path / "out.part").exists()


@pytest.mark.slow
def test_ctrl_c_writes_a_checkpoint_and_says_how_to_go_on(tmp_path: Path, tiny: Path, whole: dict[str, Path]) -> None:
    write_dataset(tmp_path / "data", 100)
    more = ("--save-every", str(STEPS))
    process = start(tmp_path, tiny, *more)
    until(process, 5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 130
    assert "interrupted; run the same command again to go on" in out
    assert "interrupted: writing a checkpoint after this step" in err
    assert "Traceback" not in err
    (checkpoint,) = (tmp_path / "out.part").rglob("checkpoint-*")
    assert (checkpoint / ".complete").is_file()
    assert finished(tmp_path, tiny, *more) == "complete"
    assert_same(whole["full"], tmp_path, "model.safetensors")


def settings(tmp_path: Path, tiny: Path, **changes: Any) -> TrainSettings:
    write_dataset(tmp_path / "data", 60)
    given: dict[str, Any] = {
        "source": str(tmp_path / "data"), "model": str(tiny), "out": str(tmp_path / "out"), "lr": 1e-3, "cpu": True,
        "batch": 16, "micro_batch": 16, "max_steps": 6, "save_every": 2, "eval_every": 6, "samples": 0,
    }  # fmt: skip
    return TrainSettings(**(given | changes))


def test_a_checkpoint_without_its_mark_is_not_resumed_from(tmp_path: Path, tiny: Path, monkeypatch: Any) -> None:
    """What a process leaves that dies while it writes one."""
    from transformers import Trainer

    original = Trainer._save_optimizer_and_scheduler

    def dies(self: Any, folder: str) -> None:
        if "checkpoint-4" in folder:
            raise KeyboardInterrupt
        original(self, folder)

    monkeypatch.setattr(Trainer, "_save_optimizer_and_scheduler", dies)
    with pytest.raises(KeyboardInterrupt):
        train(settings(tmp_path, tiny))
    checkpoints = tmp_path / "out.part" / "1-dpo" / "checkpoints"
    assert sorted(path.name for path in checkpoints.iterdir()) == ["checkpoint-2", "checkpoint-4"]
    monkeypatch.undo()
    said: list[str] = []
    assert train(settings(tmp_path, tiny), said.append).status == "complete"
    uninterrupted = train(settings(tmp_path, tiny, out=str(tmp_path / "whole")))
    one, other = (load_file(folder / "model.safetensors") for folder in (tmp_path / "out", uninterrupted.out))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_full_disk_costs_nothing_that_was_written(tmp_path: Path, tiny: Path, monkeypatch: Any) -> None:
    from transformers import Trainer

    original = Trainer._save_optimizer_and_scheduler

    def full(self: Any, folder: str) -> None:
        if "checkpoint-4" in folder:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(self, folder)

    monkeypatch.setattr(Trainer, "_save_optimizer_and_scheduler", full)
    with pytest.raises(RunStoppedError, match="no space left on the disk; make room and run the same"):
        train(settings(tmp_path, tiny))
    monkeypatch.undo()
    assert train(settings(tmp_path, tiny)).status == "complete"


def test_a_place_that_cannot_be_written_is_said_before_the_model_is_loaded(tmp_path: Path, tiny: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="cannot be written"):
        train(settings(tmp_path, tiny, out=str(tmp_path / "file" / "out")))


def test_two_trainings_do_not_share_a_folder(tmp_path: Path, tiny: Path) -> None:
    from constitutional.training.folder import OutFolder

    with OutFolder(tmp_path / "out").lock(), pytest.raises(LedgerError, match="in use by another process"):
        train(settings(tmp_path, tiny))
