"""A ledger once more, in another folder: for what is made of a run and must not change it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from constitutional.ledger.schema import connect, failure

PAGES = 4096


def copy_ledger(source: Path, target: Path) -> None:
    """Page by page, whatever a run that goes on writes meanwhile. What a copy that was killed left there is written over."""
    remove_ledger(target)
    reading = connect(source, writable=False)
    try:
        writing = connect(target, writable=True)
        try:
            reading.backup(writing, pages=PAGES)
        finally:
            writing.close()
    except sqlite3.Error as error:
        raise failure(target, error) from error
    finally:
        reading.close()


def remove_ledger(path: Path) -> None:
    for name in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        name.unlink(missing_ok=True)
