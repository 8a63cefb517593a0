"""Which texts came before that are nearly the same: MinHash finds candidates, and their similarity is then computed.

In a temporary database, so that memory does not grow with the texts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, NamedTuple

from constitutional.core.similarity import jaccard, normalised, shingles
from constitutional.errors import MissingExtraError

PERMUTATIONS = 128
RECALL = 0.99
"""Of texts that are just as similar as the threshold, at least so many are found."""
CACHE_KIB = 32_000


class Similar:
    """Texts by name. With a threshold of 1 those are the same that differ in case, punctuation and white space alone, and
    no other package is needed; under 1 it is the share of common runs of five characters (Jaccard)."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._signer = None if threshold >= 1 else _Signer(threshold)
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=OFF")
        self._database.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        self._database.execute("CREATE TABLE texts (item INTEGER PRIMARY KEY, digest BLOB, text TEXT, name TEXT)")
        self._database.execute("CREATE INDEX by_digest ON texts (digest)")
        self._database.execute(
            "CREATE TABLE bands (band INTEGER, item INTEGER, PRIMARY KEY (band, item)) WITHOUT ROWID"
        )
        self._database.execute("BEGIN")

    def find(self, text: str) -> str | None:
        """The name of the first text that was added and is as similar; None where there is none."""
        return self._first(self._signed(text))

    def add(self, text: str, name: str) -> None:
        self._insert(self._signed(text), name)

    def find_or_add(self, text: str, name: str) -> str | None:
        """The name of the first text that is as similar; where there is none, this one is added."""
        signed = self._signed(text)
        found = self._first(signed)
        if found is None:
            self._insert(signed, name)
        return found

    def close(self) -> None:
        self._database.close()

    def _signed(self, text: str) -> _Signed:
        plain = normalised(text)
        named = blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if self._signer is None:
            return _Signed("", named, frozenset(), [])
        numbers = shingles(plain)
        return _Signed(plain, named, numbers, self._signer.bands(numbers))

    def _first(self, signed: _Signed) -> str | None:
        exact: tuple[int, str] | None = self._database.execute(
            "SELECT item, name FROM texts WHERE digest = ? ORDER BY item LIMIT 1", (signed.digest,)
        ).fetchone()
        marks = ",".join("?" * len(signed.bands))
        candidates = self._database.execute(
            f"SELECT DISTINCT item FROM bands WHERE band IN ({marks}) ORDER BY item", signed.bands
        ).fetchall()
        for (item,) in candidates:
            if exact is not None and item >= exact[0]:
                break
            text, name = self._database.execute("SELECT text, name FROM texts WHERE item = ?", (item,)).fetchone()
            if jaccard(signed.numbers, shingles(text)) >= self.threshold:
                return str(name)
        return None if exact is None else exact[1]

    def _insert(self, signed: _Signed, name: str) -> None:
        item = self._database.execute(
            "INSERT INTO texts (digest, text, name) VALUES (?, ?, ?)", (signed.digest, signed.plain, name)
        ).lastrowid
        rows = ((band, item) for band in signed.bands)
        self._database.executemany("INSERT OR IGNORE INTO bands VALUES (?, ?)", rows)


class _Signed(NamedTuple):
    plain: str
    digest: bytes
    numbers: frozenset[int]
    bands: list[int]


class _Signer:
    """MinHash signatures, cut into bands: texts that share a band are candidates."""

    def __init__(self, threshold: float) -> None:
        try:
            from datasketch import MinHash
        except ImportError as error:
            raise MissingExtraError.naming("datasketch", "filters") from error
        self._empty = MinHash(PERMUTATIONS, seed=1, hashfunc=_itself, scheme="affine32")
        self._rows = rows_of_a_band(threshold)

    def bands(self, numbers: Iterable[int]) -> list[int]:
        signed: Any = self._empty.copy()
        signed.update_batch(numbers)
        data = signed.hashvalues.astype("<u4").tobytes()
        width = 4 * self._rows
        return [
            int.from_bytes(blake2b(data[at : at + width], digest_size=8, salt=at.to_bytes(4, "big")).digest(), "big")
            >> 1
            for at in range(0, len(data) - width + 1, width)
        ]


def rows_of_a_band(threshold: float) -> int:
    """The longest bands, and so the fewest candidates, that still find what is as similar as the threshold."""
    for rows in range(PERMUTATIONS, 1, -1):
        if 1 - (1 - threshold**rows) ** (PERMUTATIONS // rows) >= RECALL:
            return rows
    return 1


def _itself(number: int) -> int:
    return number
