"""What changed between two texts, word by word."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import NamedTuple

MOST = 4_000
"""Words of both texts together; of longer ones whole lines are compared, and of yet longer ones nothing is."""
WORD = re.compile(r"\s+|\w+|[^\w\s]", re.UNICODE)
LINE = re.compile(r"[^\n]*\n|[^\n]+")


class Piece(NamedTuple):
    """``kind``: same, out, in."""

    kind: str
    text: str


def changes(before: str, after: str) -> list[Piece]:
    if before == after:
        return [Piece("same", after)] if after else []
    for split in (WORD, LINE):
        old, new = split.findall(before), split.findall(after)
        if len(old) + len(new) <= MOST:
            return _joined(old, new)
    return [Piece("out", before), Piece("in", after)]


def _joined(old: list[str], new: list[str]) -> list[Piece]:
    found: list[Piece] = []
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            _add(found, "same", "".join(new[c:d]))
        else:
            _add(found, "out", "".join(old[a:b]))
            _add(found, "in", "".join(new[c:d]))
    return found


def _add(found: list[Piece], kind: str, text: str) -> None:
    if not text:
        return
    if found and found[-1].kind == kind:
        found[-1] = Piece(kind, found[-1].text + text)
    else:
        found.append(Piece(kind, text))
