"""How varied texts are. Words are runs of letters and digits, case folded; scripts without spaces count by character."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

_NO_SPACES = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_NO_SPACES}]|[^\W{_NO_SPACES}]+")


def words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def ngrams(text: str, n: int) -> list[tuple[str, ...]]:
    return _runs(words(text), n)


def repeated(text: str, n: int = 4) -> float:
    """The share of a text's n-grams that it said before: 0 for prose, near 1 for a loop."""
    return repeated_tokens(words(text), n)


def repeated_tokens(tokens: Sequence[T], n: int = 4) -> float:
    """The same of a text as a model reads it, in any language."""
    found = _runs(tokens, n)
    return 1 - len(set(found)) / len(found) if found else 0.0


def _runs(items: Sequence[T], n: int) -> list[tuple[T, ...]]:
    return [tuple(items[start : start + n]) for start in range(len(items) - n + 1)]
