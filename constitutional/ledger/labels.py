"""What people said of a run's pairs: a SQLite file of its own beside run.db, written while they read.

Kept apart because a run may be going on: the run folder's lock belongs to it. Each label is one transaction, with the
texts it is about, so that the file says everything by itself."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from constitutional.errors import LedgerError
from constitutional.ledger.ledger import LedgerView
from constitutional.ledger.schema import failure

NAME = "labels.db"
APPLICATION_ID = 0x43414C31
Verdict = Literal["agree", "flip", "tie", "both-bad", "skip"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
SHARES = {"agree": 1.0, "flip": 0.0, "tie": 0.5, "both-bad": 0.5}
"""How much better the chosen answer is. What was skipped says nothing."""
TABLES = """
CREATE TABLE labels (
    pair TEXT NOT NULL,            -- core.digest.pair_id: the same whichever answer is named first
    annotator TEXT NOT NULL,
    verdict TEXT NOT NULL,         -- of the chosen answer: agree, flip, tie, both-bad, skip
    note TEXT NOT NULL,
    blind INTEGER NOT NULL,        -- whether the run's own label was hidden
    messages TEXT NOT NULL,        -- JSON
    chosen TEXT NOT NULL,
    rejected TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (pair, annotator)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Label:
    pair: str
    annotator: str
    verdict: str
    note: str
    blind: bool
    messages: tuple[tuple[str, str], ...]
    chosen: str
    rejected: str

    @property
    def share(self) -> float | None:
        return SHARES.get(self.verdict)


class LabelFile:
    """Made by the first label; one that is not there yet holds none."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, folder: Path) -> LabelFile:
        return cls(folder / NAME)

    def put(self, label: Label) -> None:
        """In place of what the same person said of the same pair before."""
        values = (
            label.pair, label.annotator, label.verdict, label.note, int(label.blind),
            json.dumps(label.messages, ensure_ascii=False), label.chosen, label.rejected, time.time(),
        )  # fmt: skip
        self._write("INSERT OR REPLACE INTO labels VALUES (?,?,?,?,?,?,?,?,?)", values)

    def drop(self, pair: str, annotator: str) -> None:
        self._write("DELETE FROM labels WHERE pair=? AND annotator=?", (pair, annotator))

    def of_pair(self, pair: str) -> list[Label]:
        return list(self._read("WHERE pair=? ORDER BY annotator", pair))

    def verdicts(self, pairs: list[str], annotator: str) -> dict[str, str]:
        marks = ",".join("?" * len(pairs))
        return {
            one.pair: one.verdict for one in self._read(f"WHERE annotator=? AND pair IN ({marks})", annotator, *pairs)
        }

    def all(self) -> Iterator[Label]:
        return self._read("ORDER BY at, pair, annotator")

    def count(self, annotator: str) -> int:
        return sum(1 for _ in self._read("WHERE annotator=?", annotator))

    def _read(self, where: str, *values: Any) -> Iterator[Label]:
        if not self.path.is_file():
            return
        columns = "pair, annotator, verdict, note, blind, messages, chosen, rejected"
        for row in self._run(f"SELECT {columns} FROM labels {where}", values):
            pair, annotator, verdict, note, blind, messages, chosen, rejected = row
            turns = tuple((role, content) for role, content in json.loads(messages))
            yield Label(pair, annotator, verdict, note, bool(blind), turns, chosen, rejected)

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        self._run(statement, values)

    def _run(self, statement: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        try:
            connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            try:
                _create_or_check(self.path, connection)
                return connection.execute(statement, values).fetchall()
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise failure(self.path, error) from error


def _create_or_check(path: Path, connection: sqlite3.Connection) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application == APPLICATION_ID:
        return
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
        raise LedgerError(f"{path} holds no labels: it was left as it is; move it away")
    connection.executescript(f"BEGIN IMMEDIATE; PRAGMA application_id={APPLICATION_ID}; {TABLES} COMMIT;")


def human_labels(view: LedgerView) -> dict[str, float]:
    """What audits have read into the ledger, and over it what was said since in the file beside it."""
    read: dict[str, float] = json.loads(view.meta("human_labels") or "{}")
    return read | said_beside(view)


def said_beside(view: LedgerView) -> dict[str, float]:
    """Pair id → the share of people who prefer the text that sorts first: the same however the pair was shown."""
    votes: dict[str, list[float]] = {}
    for label in LabelFile.of(view.path.parent).all():
        if label.share is not None:
            share = label.share if label.chosen <= label.rejected else 1 - label.share
            votes.setdefault(label.pair, []).append(share)
    return {pair: sum(shares) / len(shares) for pair, shares in votes.items()}
