"""Keeps view.db up with run.db, also while the run goes on: only traces that are new or were replaced are read.

A trace that replaces another gets a new row of the ledger, as SQLite numbers rows upwards; only the last row's number can
come again, so that row is looked at once more each time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from constitutional.core.digest import digest
from constitutional.ledger import LedgerView, Sifted
from constitutional.ledger.ledger import CURRENT
from constitutional.view.entries import DROPPED, NONE, PAIR, Entry, entries
from constitutional.view.schema import open_index

BATCH = 500
"""Traces in one transaction: a reader sees the list grow while a large run is read for the first time."""

Row = tuple[int, str, int, str, str]
"""Ledger row, prompt, position, digest, body."""


class Index:
    """The one writer of a run's index. Use it from one thread."""

    def __init__(self, run: Path, path: Path) -> None:
        self.path = path
        self._connection = open_index(path)
        try:
            self._view = LedgerView(run)
        except BaseException:
            self._connection.close()
            raise
        self._words: dict[tuple[str, str], int] = {}
        self._counts: dict[int, int] = {}

    def sync(self, most: int | None = None) -> int:
        """How many traces were read; fewer than there are only where ``most`` says so. 0: nothing was new."""
        self._check_plan()
        done = 0
        while most is None or done < most:
            rows = self._next()
            if not rows:
                break
            self._take(rows)
            done += len(rows)
        if not self._next():
            self._sift()
        return done

    def close(self) -> None:
        self._connection.close()
        self._view.close()

    def _check_plan(self) -> None:
        """Another plan, or another file under the same name, and everything is read anew."""
        plan = self._view.meta("plan") or ""
        row, prompt = int(self._get("row", "0")), self._get("prompt", "")
        lost = (
            row > 0
            and self._view.one("SELECT count(*) FROM traces WHERE rowid >= ? AND prompt_id = ?", row, prompt) == 0
        )
        if self._get("plan", plan) != plan or lost:
            self._clear()
        if self._get("plan", "") != plan:
            self._set("plan", plan)

    def _clear(self) -> None:
        self._words.clear()
        self._connection.executescript(
            "BEGIN; DELETE FROM items; DELETE FROM words; DELETE FROM links; UPDATE kinds SET items = 0;"
            " INSERT INTO texts (texts) VALUES ('delete-all'); DELETE FROM meta; COMMIT;"
        )

    def _next(self) -> list[Row]:
        row, known = int(self._get("row", "0")), self._get("digest", "")
        found: list[Any] = list(
            self._view.rows(
                f"SELECT rowid, prompt_id, position, digest, body FROM traces WHERE rowid >= ? AND {CURRENT}"
                " ORDER BY rowid LIMIT ?",
                row,
                self._get("plan", ""),
                BATCH,
            )
        )
        return [one for one in found if (one[0], one[3]) != (row, known)]

    def _take(self, rows: Sequence[Row]) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            self._counts = {}
            kinds = {PAIR: 0, NONE: 0, DROPPED: 0}
            for _, prompt_id, position, _, body in rows:
                self._forget(prompt_id, kinds)
                for entry in entries(body):
                    self._put(prompt_id, position, entry)
                    kinds[entry.kind] += 1
            self._save_counts(kinds)
            last = rows[-1]
            for key, value in (("row", str(last[0])), ("prompt", last[1]), ("digest", last[3])):
                self._set(key, value)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            self._words.clear()
            raise

    def _put(self, prompt_id: str, position: int, entry: Entry) -> None:
        values = (prompt_id, entry.n, entry.kind, position, *entry[2:14])
        item = self._connection.execute(
            "INSERT INTO items (prompt_id, n, kind, position, pair, margin, p, gap, tier, strategy, conflict, veto, why,"
            " prompt, chosen, rejected) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            values,
        ).lastrowid
        self._connection.execute("INSERT INTO texts (rowid, body) VALUES (?, ?)", (item, entry.text))
        numbers = [self._number(word) for word in entry.words]
        self._connection.executemany(
            "INSERT OR IGNORE INTO links VALUES (?, ?)", [(number, item) for number in numbers]
        )
        for number in numbers:
            self._counts[number] = self._counts.get(number, 0) + 1

    def _forget(self, prompt_id: str, kinds: dict[int, int]) -> None:
        """Of a trace that was replaced. Its words stay in the search, under a number that no item has any more."""
        old = self._connection.execute("SELECT id, kind FROM items WHERE prompt_id = ?", (prompt_id,)).fetchall()
        for item, kind in old:
            kinds[kind] -= 1
            for (number,) in self._connection.execute(
                "SELECT number FROM words WHERE EXISTS (SELECT 1 FROM links WHERE number = words.number AND item = ?)",
                (item,),
            ).fetchall():
                self._counts[number] = self._counts.get(number, 0) - 1
                self._connection.execute("DELETE FROM links WHERE number = ? AND item = ?", (number, item))
            self._connection.execute("DELETE FROM items WHERE id = ?", (item,))

    def _number(self, word: tuple[str, str]) -> int:
        if word not in self._words:
            self._connection.execute("INSERT OR IGNORE INTO words (field, word, items) VALUES (?, ?, 0)", word)
            (number,) = self._connection.execute("SELECT number FROM words WHERE field=? AND word=?", word).fetchone()
            self._words[word] = number
        return self._words[word]

    def _save_counts(self, kinds: dict[int, int]) -> None:
        self._connection.executemany(
            "UPDATE words SET items = items + ? WHERE number = ?",
            [(count, number) for number, count in self._counts.items()],
        )
        self._connection.executemany(
            "UPDATE kinds SET items = items + ? WHERE kind = ?",
            [(count, kind) for kind, count in kinds.items() if count],
        )

    def _sift(self) -> None:
        """Which pairs the filters of the whole run dropped: decided at its end, and anew at every end."""
        drops = list(Sifted(self._view).rows())
        named = digest(drops)
        if self._get("sifted", digest([])) == named:
            return
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE items SET kind = ?, why = '' WHERE kind = ?", (PAIR, DROPPED))
        connection.executemany(
            "UPDATE items SET kind = ?, why = ? WHERE prompt_id = ? AND n = ?",
            [(DROPPED, reason, prompt_id, n) for prompt_id, n, reason, _ in drops],
        )
        connection.execute("UPDATE kinds SET items = (SELECT count(*) FROM items WHERE items.kind = kinds.kind)")
        self._set("sifted", named)
        connection.execute("COMMIT")

    def _get(self, key: str, otherwise: str) -> str:
        row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return otherwise if row is None else str(row[0])

    def _set(self, key: str, value: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
