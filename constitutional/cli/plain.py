"""Text of strangers for one line of a terminal."""

from __future__ import annotations

from constitutional.core.plain import plain


def one_line(text: str, most: int | None = None) -> str:
    """Without what a terminal obeys and without line breaks; at most so many characters."""
    line = plain(text).replace("\n", " ").replace("\t", " ")
    return line if most is None or len(line) <= most else f"{line[: most - 1]}…"
