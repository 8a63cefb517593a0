"""view.db: what the viewer lists, sorts and searches, made from a run's traces and thrown away at will.

Beside run.db and not in it: the ledger stays what it is, and looking at a run needs no lock."""

from __future__ import annotations

import os
import sqlite3
from hashlib import blake2b
from pathlib import Path

from constitutional.ledger.schema import failure

FORMAT = 1
NAME = "view.db"
TABLES = f"""
PRAGMA user_version={FORMAT};
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE items (               -- a pair, or a prompt that gave none
    id INTEGER PRIMARY KEY AUTOINCREMENT,   -- in the order in which they were made, and never used again
    prompt_id TEXT NOT NULL, n INTEGER NOT NULL,   -- n: which pair of its prompt; -1: none
    kind INTEGER NOT NULL,         -- 0 a pair, 1 none, 2 a pair that filters of the whole run dropped
    position INTEGER NOT NULL,     -- of the prompt
    pair TEXT NOT NULL,            -- core.digest.pair_id, "" where there are no two answers
    margin REAL NOT NULL, p REAL NOT NULL, gap INTEGER NOT NULL,   -- gap: characters of chosen less rejected
    tier TEXT NOT NULL, strategy TEXT NOT NULL, conflict INTEGER NOT NULL, veto INTEGER NOT NULL,
    why TEXT NOT NULL,             -- the first reject
    prompt TEXT NOT NULL, chosen TEXT NOT NULL, rejected TEXT NOT NULL       -- how they begin
);
CREATE INDEX items_of_prompt ON items (prompt_id, n);
CREATE INDEX items_of_kind ON items (kind);
CREATE INDEX items_of_pair ON items (pair);
CREATE INDEX items_in_order ON items (kind, position, id);
CREATE INDEX items_by_margin ON items (kind, margin, id);
CREATE INDEX items_by_gap ON items (kind, gap, id);
CREATE TABLE words (               -- what items can be filtered by, with how many there are
    number INTEGER PRIMARY KEY, field TEXT NOT NULL, word TEXT NOT NULL, items INTEGER NOT NULL,
    UNIQUE (field, word)
);
CREATE TABLE links (number INTEGER NOT NULL, item INTEGER NOT NULL, PRIMARY KEY (number, item)) WITHOUT ROWID;
CREATE TABLE kinds (kind INTEGER PRIMARY KEY, items INTEGER NOT NULL);
INSERT INTO kinds VALUES (0, 0), (1, 0), (2, 0);
CREATE VIRTUAL TABLE texts USING fts5 (body, content='', tokenize="unicode61 remove_diacritics 2");
"""


def place(folder: Path) -> Path:
    """Beside run.db; in the user's cache where the folder cannot be written."""
    if os.access(folder, os.W_OK):
        return folder / NAME
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "constitutional" / "view"
    cache.mkdir(parents=True, exist_ok=True)
    return cache / f"{blake2b(str(folder.resolve()).encode(), digest_size=8).hexdigest()}.db"


def open_index(path: Path) -> sqlite3.Connection:
    """For writing. An index of another version, or one that is damaged, is made anew: all of it stands in the run."""
    try:
        connection = _connect(path)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, FORMAT):
            raise sqlite3.DatabaseError("another version")
    except sqlite3.DatabaseError:
        for name in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            name.unlink(missing_ok=True)
        connection, version = _connect(path), 0
    if version == 0:
        connection.executescript(f"BEGIN; {TABLES} COMMIT;")
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-65536")
    except sqlite3.OperationalError as error:
        raise failure(path, error) from error
    return connection


def read_index(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False, isolation_level=None, timeout=30
    )
    connection.execute("PRAGMA cache_size=-65536")
    return connection
