"""What was trained on this machine and need not be trained again: folders in the user's cache, each whole or not there.

A folder is made under another name and moved into place, with a seal that lists its files; it is made by one process at a
time. Half a folder, as a full disk or a pulled plug leaves it, is found by its seal and made anew."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path

from constitutional.errors import ModelUnavailableError
from constitutional.resources import cache_folder

SEAL = "sealed.json"
Tell = Callable[[str], None]
Build = Callable[[Path], None]
"""Writes the files of one folder."""


def root() -> Path:
    return cache_folder("pocket")


def find(key: str) -> Path | None:
    """The folder under this key, if it is there and whole."""
    folder = root() / key
    return folder if _whole(folder) else None


def cached(key: str, build: Build, tell: Tell) -> Path:
    """The folder under this key, made now if it is not there. A second process waits for the first, and finds its work."""
    found = find(key)
    if found is not None:
        return found
    folder = root() / key
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder.with_suffix(".lock"), tell):
            return find(key) or _made(folder, build, tell)
    except OSError as error:
        raise _cannot(error.strerror or str(error)) from error


def _made(folder: Path, build: Build, tell: Tell) -> Path:
    if folder.exists():
        tell(f"{folder} is damaged (its files are not those that were written): making it anew")
        shutil.rmtree(folder)
    for left in folder.parent.glob(f".{folder.name}.*"):
        shutil.rmtree(left)  # of a process that was killed: the lock is ours now
    making = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        build(making)
        _seal(making)
        making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return folder


@contextlib.contextmanager
def _locked(path: Path, tell: Tell) -> Iterator[None]:
    """Held by the open file, so a dead process never keeps it."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("another process is making this model: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _seal(folder: Path) -> None:
    """After this every file is on the disk, and a change of any can be told."""
    files = {path.name: _digest(path) for path in sorted(folder.iterdir())}
    (folder / SEAL).write_text(json.dumps(files, indent=1), encoding="utf-8")
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _whole(folder: Path) -> bool:
    try:
        sealed = json.loads((folder / SEAL).read_text(encoding="utf-8"))
        return bool(sealed == {name: _digest(folder / name) for name in sealed})
    except (OSError, ValueError, TypeError):
        return False


def _digest(path: Path) -> str:
    return blake2b(path.read_bytes(), digest_size=16).hexdigest()


def _cannot(reason: str) -> ModelUnavailableError:
    return ModelUnavailableError(
        f"{root()}: cannot keep a trained model here: {reason}; free some space, or set XDG_CACHE_HOME to a folder "
        "that can be written"
    )
