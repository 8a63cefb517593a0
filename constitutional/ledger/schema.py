"""The tables of run.db, and opening it with clear errors."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from constitutional.errors import LedgerError

SCHEMA_VERSION = 1
APPLICATION_ID = 0x43414931

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE calls (               -- every model reply, once
    key BLOB PRIMARY KEY,          -- digest of the request
    role TEXT NOT NULL,            -- who asked first
    model TEXT NOT NULL,
    request BLOB NOT NULL,         -- zlib(JSON), for audit: the key is what counts
    reply TEXT NOT NULL,           -- JSON
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    cost REAL NOT NULL,
    seconds REAL NOT NULL,         -- how long the model took
    at REAL NOT NULL               -- when it had answered
);

CREATE TABLE traces (              -- every finished prompt, once
    prompt_id TEXT PRIMARY KEY,
    state TEXT NOT NULL,           -- digest of the prompt and of the plan that made this trace
    session INTEGER NOT NULL,      -- the last session whose prompts contained it
    position INTEGER NOT NULL,     -- where in the prompts it was
    status TEXT NOT NULL,
    pairs INTEGER NOT NULL,
    digest TEXT NOT NULL,          -- of the body
    body TEXT NOT NULL             -- JSON of core.records.Trace
);
CREATE INDEX traces_by_session ON traces (session, position);

CREATE TABLE pairs (
    prompt_id TEXT NOT NULL, n INTEGER NOT NULL,
    p_chosen REAL NOT NULL, margin REAL NOT NULL, strategy TEXT NOT NULL, tier TEXT,
    PRIMARY KEY (prompt_id, n)
) WITHOUT ROWID;

CREATE TABLE rejects (             -- what did not become a pair, and why
    prompt_id TEXT NOT NULL, n INTEGER NOT NULL,
    reason TEXT NOT NULL, detail TEXT NOT NULL, failure INTEGER NOT NULL,
    PRIMARY KEY (prompt_id, n)
) WITHOUT ROWID;

CREATE TABLE rows (                -- lines of the prompt file that are no prompt
    session INTEGER NOT NULL, position INTEGER NOT NULL,
    source TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL, failure INTEGER NOT NULL,
    PRIMARY KEY (session, position)
) WITHOUT ROWID;
"""


def connect(path: Path, *, writable: bool) -> sqlite3.Connection:
    """One connection for one thread. The connection may be made in another thread than the one that uses it."""
    try:
        if writable:
            return sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
        return _reading(path)
    except sqlite3.Error as error:
        raise failure(path, error) from error


def _reading(path: Path) -> sqlite3.Connection:
    """SQLite reads a file that may be written meanwhile by means of a small one beside it. Where there is no room for that,
    and nothing that was written waits in the log, the file is read as one that nobody writes: nobody could."""
    try:
        return _opened(path, "mode=ro")
    except sqlite3.OperationalError:
        log = path.with_name(f"{path.name}-wal")
        if not path.is_file() or (log.is_file() and log.stat().st_size):
            raise
        return _opened(path, "mode=ro&immutable=1")


def _opened(path: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{how}", uri=True, check_same_thread=False, isolation_level=None, timeout=30
    )
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def create_or_check(path: Path) -> None:
    """Make the tables in a new file; refuse, and leave alone, a file that is not ours, damaged or of another version.
    A file without tables is new too: its maker was killed before it could make them."""
    connection = connect(path, writable=True)
    try:
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            connection.executescript(
                f"PRAGMA journal_mode=WAL; BEGIN IMMEDIATE; PRAGMA application_id={APPLICATION_ID};"
                f"{TABLES} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;"
            )
        check_version(path, connection)
    except sqlite3.Error as error:
        raise failure(path, error) from error
    finally:
        connection.close()


def check_version(path: Path, connection: sqlite3.Connection) -> None:
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
        raise LedgerError(
            f"{path} holds nothing yet: a run has just begun in this folder, or ended as it began; look again in a moment, "
            "or run its command again"
        )
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise LedgerError(f"{path} is not a run ledger: it was left as it is; choose another --out folder")
    if version != SCHEMA_VERSION:
        raise LedgerError(
            f"{path} was written by another version (ledger format {version}, this is {SCHEMA_VERSION}): "
            "use that version, or start over with --fresh; the file was left as it is"
        )


def failure(path: Path, error: sqlite3.Error) -> LedgerError:
    """What SQLite's words mean to the person who runs this."""
    text = str(error)
    if "full" in text or "disk I/O" in text:
        return LedgerError(f"{path}: cannot write, the disk is full or failing ({text}): free some space and run again")
    if "malformed" in text or "not a database" in text:
        return LedgerError(
            f"{path} is damaged ({text}): it was left as it is; restore a copy, or start over with --fresh"
        )
    if "readonly" in text or "unable to open" in text:
        return LedgerError(f"{path} cannot be opened for writing ({text}): check the folder and its permissions")
    return LedgerError(f"{path}: {text}")
