"""The folder of a run: going on in it, what is wrong with it, and who else is there."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from constitutional.ledger import RunFolder
from tests.cli.conftest import GOOD, Cli, generate, put


def test_the_folder_of_a_run_goes_on(cli: Cli) -> None:
    assert cli("generate", "--model", "scripted:demo", "--limit", "3", "--out", "runs/shop").code == 0
    again = cli("generate", "runs/shop", "--json")
    assert (again.code, again.json["run"]) == (0, "runs/shop")
    assert (again.json["prompts"], again.json["roles"]) == (3, [])
    Path("empty").mkdir()
    assert cli("generate", "empty").errors == ["error: empty: Is a directory"]


@pytest.mark.parametrize("again", [("config.yaml",), ("--model", "scripted:demo", "--limit", "3", "--out", ".")])
def test_from_inside_of_the_run_folder(cli: Cli, monkeypatch: pytest.MonkeyPatch, again: tuple[str, ...]) -> None:
    first = ("generate", "--model", "scripted:demo", "--limit", "3", "--out", "runs/shop")
    assert cli(*first).code == 0
    monkeypatch.chdir("runs/shop")
    assert cli("generate", *again).code == 0
    assert cli("generate", *again, "--fresh").code == 0
    assert sorted(path.name for path in Path("..").iterdir()) == ["shop", "shop-2"]


def test_a_second_process_on_the_same_folder(cli: Cli) -> None:
    folder = RunFolder(Path("run"))
    folder.create()
    with folder.lock():
        assert generate(cli, "--out", "run") == (
            1,
            [
                f"error: run is in use by another process (pid {os.getpid()}): "
                "wait for it, stop it, or choose another --out folder"
            ],
        )
    assert cli("generate", "--out", "run", "--limit", "1").code == 0


def test_a_run_db_that_is_no_database(cli: Cli) -> None:
    Path("run").mkdir()
    Path("run/run.db").write_bytes(b"something else entirely" * 99)
    assert generate(cli, "--out", "run") == (
        1,
        [
            "error: run/run.db is damaged (file is not a database): it was left as it is; restore a copy, "
            "or start over with --fresh"
        ],
    )
    assert Path("run/run.db").read_bytes() == b"something else entirely" * 99


def test_a_database_that_is_not_ours(cli: Cli) -> None:
    Path("run").mkdir()
    with sqlite3.connect("run/run.db") as database:
        database.execute("CREATE TABLE mine (x)")
    database.close()
    assert generate(cli, "--out", "run") == (
        1,
        ["error: run/run.db is not a run ledger: it was left as it is; choose another --out folder"],
    )


def test_a_run_db_of_another_version(cli: Cli) -> None:
    assert cli("generate", "--out", "run", "--limit", "1").code == 0
    with sqlite3.connect("run/run.db") as database:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        database.execute("PRAGMA user_version=99")
    database.close()
    assert generate(cli, "--out", "run", "--limit", "1") == (
        1,
        [
            f"error: run/run.db was written by another version (ledger format 99, this is {version}): use that version, "
            "or start over with --fresh; the file was left as it is"
        ],
    )
    assert cli("generate", "--out", "run", "--limit", "1", "--fresh").code == 0
    assert Path("run-2/run.db").exists()


def test_a_folder_that_may_not_be_written(cli: Cli, tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("root may write everywhere")
    try:
        assert generate(cli, "--out", "run") == (
            1,
            ["error: run: cannot be written: Permission denied; choose another place, or make this one writable"],
        )
    finally:
        tmp_path.chmod(0o755)


def test_another_policy_in_the_same_folder_has_to_be_asked_for(cli: Cli) -> None:
    put(
        p_jsonl=GOOD,
        s_jsonl='{"when": "^You ", "choose": {"yes": 0, "no": 1, "A": 1, "B": 1}, "reply": "x"}\n{"reply": "Soon."}\n',
    )
    first = ["generate", "--prompts", "p.jsonl", "--model", "scripted:demo", "--out", "run"]
    assert cli(*first).code == 0
    other = ["--prompts", "p.jsonl", "--model", "scripted:s.jsonl", "--out", "run"]
    code, errors = generate(cli, *other)
    assert code == 2
    assert errors == [
        "error: run holds a run with other answers; changed since:",
        "error:   models.policy.name: scripted:demo → scripted:s.jsonl",
        "error: add --fresh to start over in a new folder, or --accept-changes to go on in this one "
        "(calls that are still the same are reused)",
    ]
    assert cli(*first, "--json").json["calls_made"] == 0
    accepted = cli("generate", *other, "--accept-changes", "--json")
    assert (accepted.code, accepted.json["prompts"]) == (0, 1)
