"""The Markdown of a card. What it quotes stays text: no HTML, no link, no line of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

SIGNS = str.maketrans({"<": "&lt;", ">": "&gt;", "[": "\\[", "]": "\\]", "`": "'"})


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Empty where there are no rows."""
    lines = [" | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in row) for row in rows]
    if not lines:
        return ""
    return "\n".join((f"| {' | '.join(head)} |", "|" + " --- |" * len(head), *(f"| {line} |" for line in lines)))


def bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {inert(line)}" for line in lines)


def inert(text: str) -> str:
    return " ".join(text.replace("<", "&lt;").split())


def quoted(text: str) -> str:
    """A name that anybody may have given: a constitution, a model, a reason."""
    return " ".join(text.translate(SIGNS).split())


def share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"
