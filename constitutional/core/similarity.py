"""How alike two texts are: without case, punctuation and white space; by the runs of characters or words they share."""

from __future__ import annotations

import re
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from zlib import crc32

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Scripts without spaces between words: each of their characters counts as a word."""
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")
CHARACTERS = 5


def words(text: str) -> list[str]:
    """In lower case, without punctuation; of Chinese, Japanese, Thai and the like each character."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def normalised(text: str) -> str:
    """Texts that differ in case, punctuation and white space alone become the same. One without words stays as it is."""
    return " ".join(words(text)) or text.strip()


def shingles(text: str) -> frozenset[int]:
    """Every run of five characters (bytes, of UTF-8) of a normalised text, as a number."""
    data = text.encode("utf-8", "surrogatepass")
    return frozenset(crc32(data[at : at + CHARACTERS]) for at in range(max(1, len(data) - CHARACTERS + 1)))


def jaccard(a: frozenset[int], b: frozenset[int]) -> float:
    """What they have in common, of all that they have."""
    return len(a & b) / len(a | b) if a or b else 1.0


def alike(a: str, b: str) -> float:
    """0 to 1, of two texts as they are."""
    one, other = normalised(a), normalised(b)
    return 1.0 if one == other else jaccard(shingles(one), shingles(other))


def ngrams(sequence: Sequence[str], n: int) -> Iterator[int]:
    """Each run of ``n`` words as a number of 64 bits; of a shorter text none."""
    for start in range(len(sequence) - n + 1):
        run = " ".join(sequence[start : start + n]).encode("utf-8", "surrogatepass")
        yield int.from_bytes(blake2b(run, digest_size=8).digest(), "big")


class NGramSet:
    """Numbers of 64 bits in eight bytes each: a Python set would take ten times as much."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._sorted = array("Q", sorted(set(numbers)))

    def __contains__(self, number: int) -> bool:
        at = bisect_left(self._sorted, number)
        return at < len(self._sorted) and self._sorted[at] == number

    def __len__(self) -> int:
        return len(self._sorted)
