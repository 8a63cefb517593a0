"""A ledger once more, in another folder: for what is made of a run and must not change it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from constitutional.errors import LedgerError
from constitutional.ledger.schema import connect, failure

PAGES = 4096


def copy_ledger(source: Path, target: Path) -> None:
    """Page by page, whatever a run that goes on writes meanwhile. The target must not be there."""
    if target.exists():
        raise LedgerError(f"{target.parent} holds a run already: choose another --out folder")
    reading = connect(source, writable=False)
    try:
        writing = connect(target, writable=True)
        try:
            reading.backup(writing, pages=PAGES)
        finally:
            writing.close()
    except sqlite3.Error as error:
        target.unlink(missing_ok=True)
        raise failure(target, error) from error
    finally:
        reading.close()
