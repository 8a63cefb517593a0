"""Text of strangers made harmless: to keep, and to show, where answers hold escape sequences, control characters and marks
that turn the direction of a line. One place, for the ledger, the terminal, the plots and the pages."""

from __future__ import annotations

import re

ESCAPE = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: titles, links, the clipboard
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"  # strings for devices
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor
    r"|\x1b[ -/]*[0-~]?"
)
"""Whole terminal sequences; what is left of a broken one goes with the other control characters."""
JOINERS = "\u200c\u200d"
"""Invisible, harmless, and part of how Persian words and emoji are written."""


def mended(text: str) -> str:
    """Half a character (a lone surrogate), which no file can hold, becomes U+FFFD; two halves become one."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def plain(text: str) -> str:
    """The text in its lines, with nothing in it that a terminal obeys or that turns its direction."""
    if text.isascii() and "\x1b" not in text and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(one for one in ESCAPE.sub("", text) if one in "\n\t" or one in JOINERS or one.isprintable())


def one_line(text: str, most: int | None = None) -> str:
    """The same with a space for every line break and tab; at most so many characters."""
    line = plain(re.sub(r"[\r\n\t\v\f\x85\u2028\u2029]+", " ", text))
    return line if most is None or len(line) <= most else f"{line[: most - 1]}…"
