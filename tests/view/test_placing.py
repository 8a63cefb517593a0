"""Where there is no room for the index: elsewhere, or the one that is there, or a reason."""

from __future__ import annotations

import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from constitutional.errors import LedgerError
from constitutional.ledger import LedgerView
from constitutional.ledger.labels import LabelFile
from constitutional.view.app import Viewer
from constitutional.view.listing import Query
from constitutional.view.shelf import STILL, Shelved
from tests.support.runs import Run


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can be written beyond its first bytes, wherever it is."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def shown(folder: Path) -> Iterator[Shelved]:
    run = Shelved(folder, "run")
    try:
        run.start()
        yield run
    finally:
        run.stop()


def listed(run: Shelved) -> int:
    return run.lister.page(Query.of({})).count


@pytest.fixture
def folder(done: tuple[Path, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that nobody has looked at yet, and a cache and a place for temporary files of its own."""
    (tmp_path / "run").mkdir()
    shutil.copyfile(done[0] / "run.db", tmp_path / "run" / "run.db")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "run"


@pytest.fixture
def pairs(done: tuple[Path, Run]) -> int:
    return sum(len(trace.pairs) for trace in done[1].traces)


def test_an_index_is_shown_as_it_stands_where_nothing_can_be_written(folder: Path, pairs: int) -> None:
    with shown(folder):
        pass
    before = (folder / "view.db").read_bytes()
    with full_disk(), shown(folder) as run:
        assert listed(run) == pairs
        assert run.status()["problem"].startswith(f"{STILL}: {folder}/view.db: cannot write, the disk is full")
    assert (folder / "view.db").read_bytes() == before
    with shown(folder) as run:
        assert (listed(run), run.problem) == (pairs, "")


def test_without_an_index_a_full_disk_is_a_failure_and_leaves_nothing(folder: Path) -> None:
    with full_disk(), pytest.raises(LedgerError, match="the disk is full"), shown(folder):
        pass
    assert not (folder / "view.db").exists()


def test_the_index_is_in_the_cache_where_there_is_no_place_beside_the_run(folder: Path, pairs: int) -> None:
    (folder / "view.db").mkdir()
    for _ in range(2):
        with shown(folder) as run:
            assert (listed(run), run.problem) == (pairs, "")
        (made,) = (folder.parent / "cache/constitutional/view").glob("*.db")
    assert made.stat().st_size


def test_a_cache_that_is_named_by_half_a_path_is_the_one_at_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "view.db").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", str(folder.parent / "home"))
    with shown(folder):
        assert list((folder.parent / "home/.cache/constitutional/view").glob("*.db"))


def test_it_is_among_the_temporary_files_where_there_is_no_cache_either(folder: Path, pairs: int) -> None:
    (folder / "view.db").mkdir()
    (folder.parent / "cache").write_text("a file is in the way")
    temporary = folder.parent / "temporary"
    with shown(folder) as run:
        assert (listed(run), run.problem) == (pairs, "")
        assert list(temporary.glob("*/view.db"))
    assert not list(temporary.iterdir())


def test_a_finished_run_can_be_read_on_a_full_disk(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {"run.db"}
    with full_disk(), LedgerView(folder / "run.db") as view:
        assert view.one("SELECT count(*) FROM traces")


def test_a_label_that_cannot_be_saved_says_why(folder: Path, done: tuple[Path, Run]) -> None:
    prompt = next(trace.prompt.id for trace in done[1].traces if trace.pairs)
    with shown(folder) as run:
        client = TestClient(Viewer([run], "token", "me").app(), base_url="http://127.0.0.1")
        label = {"prompt": prompt, "n": 0, "verdict": "agree"}
        with full_disk():
            failed = client.post("/token/0/label", json=label)
        assert failed.status_code == 500
        assert "labels.db: cannot write, the disk is full" in failed.json()["problem"]
        assert client.post("/token/0/label", json=label).json()["labelled"] == 1
    assert LabelFile.of(folder).count("me") == 1
