"""Text of strangers for a terminal: in one line, with nothing that a terminal obeys."""

from __future__ import annotations


def plain(text: str, most: int | None = None) -> str:
    """Without control characters, escape sequences and marks of direction; at most so many characters."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if most is None or len(line) <= most else f"{line[: most - 1]}…"
