"""The cache of trained models: whole or not there, made once, and clear about what stops it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from constitutional.errors import ModelUnavailableError, UsageError
from constitutional.pocket import cache

FILES = {"model.safetensors": "weights" * 1000, "config.json": "{}"}


def build(folder: Path) -> None:
    for name, text in FILES.items():
        (folder / name).write_text(text)


def never(folder: Path) -> None:
    raise AssertionError("it is there already")


def quiet(line: str) -> None:
    raise AssertionError(line)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "constitutional" / "pocket"


def test_it_is_made_once_and_found_again(home: Path) -> None:
    assert cache.find("k") is None
    made = cache.cached("k", build, quiet)
    assert made == home / "k"
    assert {path.name: path.read_text() for path in made.iterdir() if path.name != cache.SEAL} == FILES
    assert cache.cached("k", never, quiet) == cache.find("k") == made


@pytest.mark.parametrize("given", ["", "not/absolute"])
def test_without_a_cache_folder_of_ones_own_it_is_in_the_home(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", given)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache.root() == Path("/home/somebody/.cache/constitutional/pocket")


def test_nobody_without_a_home_has_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose user has no entry."""
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", "here")
    with pytest.raises(UsageError, match="there is no home folder, and so no place for caches: set HOME, or XDG_CACHE"):
        cache.cached("k", never, quiet)


@pytest.mark.parametrize("damage", ["half", "gone", "changed", "seal gone", "seal half", "seal odd"])
def test_a_damaged_folder_is_made_anew_and_said(damage: str) -> None:
    folder = cache.cached("k", build, quiet)
    weights, seal = folder / "model.safetensors", folder / cache.SEAL
    match damage:
        case "half":
            weights.write_text(FILES["model.safetensors"][:100])
        case "gone":
            weights.unlink()
        case "changed":
            weights.write_text(FILES["model.safetensors"].swapcase())
        case "seal gone":
            seal.unlink()
        case "seal half":
            seal.write_text(seal.read_text()[:20])
        case _:
            seal.write_text("[1]")
    assert cache.find("k") is None
    said: list[str] = []
    assert cache.cached("k", build, said.append) == folder
    assert said == [f"{folder} is damaged (its files are not those that were written): making it anew"]
    assert weights.read_text() == FILES["model.safetensors"]


def test_what_fails_leaves_nothing_behind(home: Path) -> None:
    def broken(folder: Path) -> None:
        build(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.cached("k", broken, quiet)
    assert [path.name for path in home.iterdir()] == ["k.lock"]
    assert cache.cached("k", build, quiet) == home / "k"


def test_a_process_killed_in_the_middle_harms_nothing(home: Path) -> None:
    code = (
        "import os, signal\n"
        "from constitutional.pocket import cache\n"
        "def half(folder):\n"
        "    (folder / 'model.safetensors').write_text('wei')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "cache.cached('k', half, print)\n"
    )
    died = subprocess.run([sys.executable, "-c", code], env=os.environ, check=False)
    assert died.returncode == -signal.SIGKILL
    assert len([path for path in home.iterdir() if path.is_dir()]) == 1
    assert cache.find("k") is None
    assert cache.cached("k", build, quiet) == home / "k"
    assert {path.name for path in home.iterdir()} == {"k", "k.lock"}


def test_a_second_one_waits_and_takes_what_the_first_made() -> None:
    began, may_end = threading.Event(), threading.Event()

    def slow(folder: Path) -> None:
        began.set()
        assert may_end.wait(60)
        build(folder)

    said: list[str] = []

    def heard(line: str) -> None:
        said.append(line)
        may_end.set()  # only now: the second is known to wait while the first works

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(cache.cached, "k", slow, quiet)
        assert began.wait(60)
        second = threads.submit(cache.cached, "k", never, heard)
        assert first.result(60) == second.result(60)
    assert said == ["another process is making this model: waiting for it"]


def test_two_models_are_made_side_by_side() -> None:
    both = threading.Barrier(2, timeout=60)

    def meet(folder: Path) -> None:
        both.wait()
        build(folder)

    with ThreadPoolExecutor(2) as threads:
        made = list(threads.map(lambda key: cache.cached(key, meet, quiet), ("k", "l")))
    assert all(cache.find(path.name) for path in made)


def test_no_space_is_said_with_what_to_do(home: Path) -> None:
    def full(folder: Path) -> None:
        (folder / "config.json").write_text("{}")
        with open("/dev/full", "w") as disk:
            disk.write("weights")

    with pytest.raises(ModelUnavailableError) as caught:
        cache.cached("k", full, quiet)
    assert str(caught.value) == (
        f"{home}: cannot keep a trained model here: No space left on device; free some space, or set XDG_CACHE_HOME "
        "to a folder that can be written"
    )
    assert [path.name for path in home.iterdir()] == ["k.lock"]


@pytest.fixture
def read_only(home: Path) -> Iterator[Path]:
    home.mkdir(parents=True)
    home.chmod(0o500)
    yield home
    home.chmod(0o700)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_home_is_said(read_only: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="cannot keep a trained model here: Permission denied"):
        cache.cached("k", build, quiet)


def test_a_cache_folder_that_cannot_be_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ModelUnavailableError, match="cannot keep a trained model here: Not a directory"):
        cache.cached("k", build, quiet)


def test_a_read_only_home_that_holds_the_model_is_enough(home: Path) -> None:
    """Nothing is written to read: no lock, no folder."""
    made = cache.cached("k", build, quiet)
    (home / "k.lock").unlink()
    made.chmod(0o500)
    home.chmod(0o500)
    try:
        assert cache.cached("k", never, quiet) == made
        assert not (home / "k.lock").exists()
    finally:
        home.chmod(0o700)
        made.chmod(0o700)
