"""Lines for people while long work goes on: whoever does the work is given where they go."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str], None]


def quiet(_: str) -> None:
    """Says nothing."""
