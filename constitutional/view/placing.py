"""Where a run's index is: beside run.db. Where that place is full or may not be written it is elsewhere, and begins with a
copy of what was there; and where nothing can be written, the one that is there is read as it stands."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from hashlib import blake2b
from pathlib import Path

from constitutional.errors import ConstitutionalError
from constitutional.ledger.copy import copy_ledger, remove_ledger
from constitutional.resources import cache_folder
from constitutional.view.indexing import Index
from constitutional.view.schema import FORMAT, read_index

NAME = "view.db"
IN_MEMORY = Path("/dev/shm")
FAULTS = (ConstitutionalError, sqlite3.Error, OSError)


def first_that_works(folder: Path, stack: ExitStack, begin: Callable[[Path], Index]) -> tuple[Index, Path]:
    """The index that ``begin`` opened in the first place where it could, and that place. ``stack`` removes what is only for
    now. Where it could nowhere, what was wrong with the first place is raised."""
    first: Exception | None = None
    before = standing(folder)
    for place in _places(folder, stack):
        try:
            target = place()
            fresh = not target.exists()
            try:
                if fresh and before is not None:
                    copy_ledger(before, target)
                return begin(target), target
            except FAULTS:
                if fresh:
                    remove_ledger(target)
                raise
        except FAULTS as error:
            first = first or error
    assert first is not None
    raise first


def standing(folder: Path) -> Path | None:
    """An index of this run from before, with something in it."""
    for find in (_beside, _cached):
        try:
            place = find(folder)
            connection = read_index(place)
            try:
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                if version == FORMAT and connection.execute("SELECT 1 FROM items LIMIT 1").fetchone():
                    return place
            finally:
                connection.close()
        except FAULTS:
            continue
    return None


def _places(folder: Path, stack: ExitStack) -> Iterator[Callable[[], Path]]:
    if os.access(folder, os.W_OK):
        yield lambda: _beside(folder)
    yield lambda: _made(_cached(folder))
    yield lambda: _for_now(None, stack)
    if IN_MEMORY.is_dir():
        yield lambda: _for_now(IN_MEMORY, stack)


def _beside(folder: Path) -> Path:
    return folder / NAME


def _cached(folder: Path) -> Path:
    return cache_folder("view") / f"{blake2b(str(folder.resolve()).encode(), digest_size=8).hexdigest()}.db"


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _for_now(parent: Path | None, stack: ExitStack) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="constitutional-view-", dir=parent))) / NAME
