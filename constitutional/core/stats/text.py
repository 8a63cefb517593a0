"""How varied texts are. Words are runs of letters and digits, case folded; scripts without spaces count by character."""

from __future__ import annotations

import re

_NO_SPACES = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_NO_SPACES}]|[^\W{_NO_SPACES}]+")


def words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def ngrams(text: str, n: int) -> list[tuple[str, ...]]:
    found = words(text)
    return [tuple(found[start : start + n]) for start in range(len(found) - n + 1)]


def repeated(text: str, n: int = 4) -> float:
    """The share of a text's n-grams that it said before: 0 for prose, near 1 for a loop."""
    found = ngrams(text, n)
    return 1 - len(set(found)) / len(found) if found else 0.0
