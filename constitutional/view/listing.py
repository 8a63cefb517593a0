"""A page of the list: filters and an order to one query that an index answers, however many pairs there are.

Pages go by the last row seen, not by a number of rows to skip. A filter that leaves few items is where the query starts;
one that leaves many is asked of each item while the order's index is walked: either way few rows are touched."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from constitutional.view.entries import DROPPED, NONE, PAIR

PAGE = 50
SPARSE = 20_000
"""Items that are few enough to be sorted for one page."""
COUNTED = 1_000
"""A filtered list is counted up to this."""
ORDERS = {
    "order": ("position", False),
    "newest": ("id", True),
    "margin": ("margin", False),
    "surest": ("margin", True),
    "longer": ("gap", True),
    "shorter": ("gap", False),
}
KINDS = {"pairs": PAIR, "none": NONE, "dropped": DROPPED}
FIELDS = ("tier", "principle", "violated", "tag", "strategy", "reason", "mark")
TERM = re.compile(r'"[^"]*"|\S+')
COLUMNS = (
    "id, prompt_id, n, kind, position, pair, margin, p, gap, tier, strategy, conflict, veto, why, "
    "prompt, chosen, rejected"
)


@dataclass(frozen=True, slots=True)
class Item:
    id: int
    prompt_id: str
    n: int
    kind: int
    position: int
    pair: str
    margin: float
    p: float
    gap: int
    tier: str
    strategy: str
    conflict: int
    veto: int
    why: str
    prompt: str
    chosen: str
    rejected: str


@dataclass(frozen=True, slots=True)
class Query:
    kind: str = "pairs"
    order: str = "order"
    words: tuple[tuple[str, str], ...] = ()
    low: float | None = None
    high: float | None = None
    text: str = ""
    label: str = ""
    """"yes" or "no": whether the reader has labelled it."""
    after: tuple[float, int] | None = None
    """(value of the order, id) of the last row seen."""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Query:
        """From an address. What makes no sense is left out: an old bookmark shows a list and no error."""
        words = tuple((name, given[name]) for name in FIELDS if given.get(name))
        after = _after(given.get("after", ""))
        return cls(
            given.get("kind", "") if given.get("kind") in KINDS else "pairs",
            given.get("order", "") if given.get("order") in ORDERS else "order",
            words,
            _number(given.get("low")),
            _number(given.get("high")),
            given.get("q", "").strip()[:500],
            given.get("label", "") if given.get("label") in ("yes", "no") else "",
            after,
        )

    @property
    def plain(self) -> bool:
        """Whether nothing is filtered but the kind."""
        return not (self.words or self.text or self.label or self.low is not None or self.high is not None)

    def address(self, **more: str) -> str:
        """Its part after the question mark, without what is as it is anyway."""
        given: dict[str, str] = dict(self.words)
        given |= {"kind": self.kind} if self.kind != "pairs" else {}
        given |= {"order": self.order} if self.order != "order" else {}
        given |= {"low": f"{self.low:g}"} if self.low is not None else {}
        given |= {"high": f"{self.high:g}"} if self.high is not None else {}
        given |= {"q": self.text} if self.text else {}
        given |= {"label": self.label} if self.label else {}
        return urlencode({name: value for name, value in (given | more).items() if value})

    def past(self, item: Item) -> Query:
        return replace(self, after=(float(getattr(item, ORDERS[self.order][0])), item.id))


@dataclass(frozen=True, slots=True)
class Page:
    items: list[Item]
    more: bool
    count: int
    exact: bool
    """Whether ``count`` is all of them."""


@dataclass(slots=True)
class Lister:
    connection: sqlite3.Connection
    labelled: Sequence[str] = field(default_factory=tuple)
    """Pairs that the reader has labelled."""

    def page(self, query: Query, size: int = PAGE) -> Page:
        source, where, values = self._where(query)
        column, down = ORDERS[query.order]
        bounded = list(where)
        edge: list[Any] = []
        if query.after is not None:
            sign = "<" if down else ">"
            bounded.append(f"(items.{column}, items.id) {sign} (?, ?)" if column != "id" else f"items.id {sign} ?")
            edge = list(query.after) if column != "id" else [query.after[1]]
        way = "DESC" if down else "ASC"
        order = f"items.{column} {way}, items.id {way}" if column != "id" else f"items.id {way}"
        columns = ", ".join(f"items.{name}" for name in COLUMNS.split(", "))
        rows = self.connection.execute(
            f"SELECT {columns} FROM {source} WHERE {' AND '.join(bounded)} ORDER BY {order} LIMIT ?",
            [*values, *edge, size + 1],
        ).fetchall()
        count, exact = self._count(query, source, where, values)
        return Page([Item(*row) for row in rows[:size]], len(rows) > size, count, exact)

    def next(self, query: Query, item: Item) -> Item | None:
        found = self.page(query.past(item), 1).items
        return found[0] if found else None

    def before(self, query: Query, item: Item) -> Item | None:
        """The list from the item backwards."""
        source, where, values = self._where(query)
        column, down = ORDERS[query.order]
        sign, way = (">", "ASC") if down else ("<", "DESC")
        columns = ", ".join(f"items.{name}" for name in COLUMNS.split(", "))
        edge: list[Any] = [getattr(item, column), item.id]
        row = self.connection.execute(
            f"SELECT {columns} FROM {source} WHERE {' AND '.join(where)} AND (items.{column}, items.id) {sign} (?, ?)"
            f" ORDER BY items.{column} {way}, items.id {way} LIMIT 1",
            [*values, *edge],
        ).fetchone()
        return None if row is None else Item(*row)

    def item(self, prompt_id: str, n: int) -> Item | None:
        row = self.connection.execute(
            f"SELECT {COLUMNS} FROM items WHERE prompt_id = ? AND n = ?", (prompt_id, n)
        ).fetchone()
        return None if row is None else Item(*row)

    def choices(self) -> dict[str, list[tuple[str, int]]]:
        """Field → its values with how many items each has, the most common first."""
        found: dict[str, list[tuple[str, int]]] = {name: [] for name in FIELDS}
        for name, word, items in self.connection.execute(
            "SELECT field, word, items FROM words WHERE items > 0 ORDER BY items DESC, word LIMIT 2000"
        ):
            found.setdefault(name, []).append((word, items))
        return found

    def kinds(self) -> dict[str, int]:
        counts = dict(self.connection.execute("SELECT kind, items FROM kinds").fetchall())
        return {name: int(counts.get(kind, 0)) for name, kind in KINDS.items()}

    def _count(self, query: Query, source: str, where: list[str], values: list[Any]) -> tuple[int, bool]:
        if query.plain:
            return self.kinds()[query.kind], True
        (count,) = self.connection.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM {source} WHERE {' AND '.join(where)} LIMIT ?)", [*values, COUNTED + 1]
        ).fetchone()
        return min(count, COUNTED), count <= COUNTED

    def _where(self, query: Query) -> tuple[str, list[str], list[Any]]:
        """Where to start, the conditions, and their values."""
        where, values = ["items.kind = ?"], [KINDS[query.kind]]
        all_values: list[Any] = list(values)
        source = "items"
        links = sorted(self._links(query.words), key=lambda link: link[1])
        for place, (number, count) in enumerate(links):
            if place == 0 and count <= SPARSE:
                source = "links CROSS JOIN items ON items.id = links.item"
                where.append("links.number = ?")
            else:
                where.append("EXISTS (SELECT 1 FROM links AS l WHERE l.number = ? AND l.item = items.id)")
            all_values.append(number)
        for sign, value in ((">=", query.low), ("<=", query.high)):
            if value is not None:
                where.append(f"items.margin {sign} ?")
                all_values.append(value)
        if query.label:
            where.append(f"items.pair {'IN' if query.label == 'yes' else 'NOT IN'} (SELECT value FROM json_each(?))")
            all_values.append(json.dumps(list(self.labelled)))
        if query.text:
            condition, value = self._search(query.text)
            where.append(condition)
            all_values.append(value)
        return source, where, all_values

    def _links(self, words: Sequence[tuple[str, str]]) -> list[tuple[int, int]]:
        """Number and count of each; a word that no item has matches none."""
        found = []
        for word in words:
            row = self.connection.execute(
                "SELECT number, items FROM words WHERE field = ? AND word = ?", word
            ).fetchone()
            found.append((int(row[0]), int(row[1])) if row else (-1, 0))
        return found

    def _search(self, text: str) -> tuple[str, Any]:
        """Few matches are listed; of many each item is asked."""
        match = phrases(text)
        few = self.connection.execute(
            "SELECT rowid FROM texts WHERE texts MATCH ? LIMIT ?", (match, SPARSE + 1)
        ).fetchall()
        if len(few) <= SPARSE:
            return "items.id IN (SELECT value FROM json_each(?))", json.dumps([row[0] for row in few])
        return "EXISTS (SELECT 1 FROM texts WHERE texts MATCH ? AND texts.rowid = items.id)", match


def phrases(text: str) -> str:
    """What a reader types as a query of FTS5: every word must occur, "several words" as they stand, a* begins so.
    Nothing in it is FTS5's own syntax, so nothing is a syntax error."""
    terms = []
    for term in TERM.findall(text):
        word = term.strip('"')
        begins = term.endswith("*") and not term.startswith('"')
        clean = word.rstrip("*").replace('"', "").replace("\x00", "")
        if clean.strip():
            terms.append(f'"{clean}"{"*" if begins else ""}')
    return " ".join(terms) or '""'


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if abs(value) < 1e9 else None


def _after(text: str) -> tuple[float, int] | None:
    value, _, item = text.rpartition(",")
    number = _number(value)
    return None if number is None or not item.isdigit() else (number, int(item))
