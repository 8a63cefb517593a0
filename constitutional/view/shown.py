"""Text of strangers on a page: escaped, its invisible marks made visible, its length bounded."""

from __future__ import annotations

import re
import unicodedata

from markupsafe import Markup, escape

from constitutional.core.plain import JOINERS

LONGEST = 20_000
"""Characters of one text on a page. The rest is a click away, as plain text."""
SHORT = 180
_UNUSUAL = re.compile(r"[^\n\t -~\u00a1-\u00ac\u00ae-\u02ff]")


def shown(text: str, longest: int = LONGEST) -> Markup:
    """A control character, and a mark that turns the direction, stands there as its number in a frame."""
    cut = text[:longest]
    return Markup(_UNUSUAL.sub(lambda found: _visible(found[0]), str(escape(cut)))) + (
        Markup("…") if len(text) > longest else Markup("")
    )


def begin(text: str) -> Markup:
    """How it begins, in one line."""
    return shown(" ".join(text[: 2 * SHORT].split()), SHORT)


def _visible(character: str) -> str:
    if character.isprintable() or character in JOINERS:
        return character
    if unicodedata.category(character) == "Zs":
        return " "
    if character == "\r":
        return ""
    return f'<span class="mark" title="U+{ord(character):04X}">{ord(character):04X}</span>'
