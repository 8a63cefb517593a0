"""What is said of a folder that is taken for a run and is none, by every command that reads a run."""

from __future__ import annotations

import resource
import shlex
from pathlib import Path

import pytest

from constitutional.ledger import RunFolder
from tests.cli.conftest import Cli

READERS = (
    ("view",), ("pairs",), ("sample",), ("watch",), ("principles", "stats"), ("report",), ("verify",),
    ("export", "--format", "trl", "--out", "x.jsonl"),
)  # fmt: skip


@pytest.mark.parametrize("command", READERS, ids=lambda command: " ".join(command[:2]))
def test_the_run_that_was_meant_is_named(cli: Cli, command: tuple[str, ...]) -> None:
    assert cli("generate", "--limit", "3", "--out", "runs/shop", "--quiet").code == 0
    for given, meant in (
        ("runs/shop/logs", "did you mean 'runs/shop'?"),
        ("runs", "did you mean 'runs/shop'?"),
        ("./runs/shp", "did you mean 'runs/shop'?"),
        ("runs/shop/run.db", "did you mean 'runs/shop'?"),
    ):
        said = cli(*command, given)
        assert (said.code, len(said.errors)) == (2, 1), said
        assert said.errors[0].startswith(f"error: {given.removeprefix('./')}")
        assert meant in said.errors[0]


def test_nothing_is_guessed_where_there_is_nothing(cli: Cli) -> None:
    Path("empty").mkdir()
    Path("file").write_text("")
    for given, why in (
        ("nowhere", "there is no such folder; `constitutional generate` makes one"),
        ("empty", "it has no run.db; `constitutional generate` makes one"),
        ("file", "it is a file"),
    ):
        assert cli("watch", given).errors == [f"error: {given} is no run folder: {why}"]


def test_a_command_that_is_shown_can_be_pasted(cli: Cli) -> None:
    made = cli("generate", "--model", "scripted:demo", "--limit", "3", "--out", "my runs/naïve shop")
    note = next(line for line in made.err.splitlines() if line.startswith("note: nobody has measured"))
    assert "constitutional sample 'my runs/naïve shop'," in note
    line = cli("sample", "my runs/naïve shop").out.splitlines()[-1]
    assert line.startswith("then: constitutional audit ")
    words = shlex.split(line)[2:]
    assert words == ["audit", "my runs/naïve shop", "--labels", "my runs/naïve shop/sheet.jsonl"]
    assert cli(*words).errors == [
        "error: sheet.jsonl: none of its 3 rows has a label: write a, b or tie into the column `label` (of as many as "
        "you can, 50 are a good start)"
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_lock_without_room_for_its_owner_is_held_all_the_same(tmp_path: Path) -> None:
    (tmp_path / ".lock").symlink_to("/dev/full")
    with RunFolder(tmp_path).lock():
        assert RunFolder(tmp_path).path.is_dir()


def test_a_disk_that_fills_up_leaves_no_half_of_a_file(cli: Cli) -> None:
    """Half a sheet would be taken for a file of somebody's, and half a run file would spoil a run that is complete."""
    assert cli("generate", "--model", "scripted:demo", "--limit", "9", "--out", "runs/shop", "--quiet").code == 0
    saved = Path("runs/shop/config.yaml").read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    commands = (
        ("sample", "runs/shop", "--out", "sheet.csv"), ("principles", "new", "mine"), ("generate", "runs/shop"),
        ("report", "runs/shop", "--out", "page.html"),
    )  # fmt: skip
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        failed = [cli(*command) for command in commands]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert all(made.code == 1 and len(made.errors) == 1 for made in failed), failed
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["runs"]
    assert Path("runs/shop/config.yaml").read_bytes() == saved
    for command in commands:
        assert cli(*command).code == 0, command
