"""How much a text repeats itself, in any language: counted in tokens."""

from __future__ import annotations

from collections.abc import Sequence

PHRASE = 4


def repeated(tokens: Sequence[int]) -> float:
    """The share of its phrases of four tokens that it has said before."""
    phrases = [tuple(tokens[at : at + PHRASE]) for at in range(len(tokens) - PHRASE + 1)]
    return 1 - len(set(phrases)) / len(phrases) if phrases else 0.0
