"""view.db: what the viewer lists, sorts and searches, made from a run's traces and thrown away at will.

Beside run.db and not in it: the ledger stays what it is, and looking at a run needs no lock."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from constitutional.ledger.copy import remove_ledger
from constitutional.ledger.schema import connect, failure

FORMAT = 1
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


def open_index(path: Path) -> sqlite3.Connection:
    """For writing. An index of another version, or one that is damaged, is made anew: all of it stands in the run."""
    try:
        try:
            return _connect(path)
        except sqlite3.OperationalError:
            raise  # it may be as good as it was: the disk is full, or it may not be written
        except sqlite3.DatabaseError:
            remove_ledger(path)
            return _connect(path)
    except sqlite3.Error as error:
        raise failure(path, error) from error


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-65536")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, FORMAT):
            raise sqlite3.DatabaseError("another version")
        if version == 0:
            connection.executescript(f"BEGIN; {TABLES} COMMIT;")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def read_index(path: Path) -> sqlite3.Connection:
    connection = connect(path, writable=False)
    connection.execute("PRAGMA cache_size=-65536")
    return connection
