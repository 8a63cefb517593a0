"""What a report is made of: figures in sections in parts, still without a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from constitutional.plots.page import Table

WIDE, NARROW = 960.0, 420.0
"""A figure that fills the page, and one that shares it with another."""


class Figure(NamedTuple):
    """``plot`` is SVG, "" where the numbers alone say it; ``table`` holds the plot's numbers."""

    name: str
    title: str
    caption: str
    table: Table
    plot: str = ""
    wide: bool = False


class Tile(NamedTuple):
    """A figure that stands at the top of a part."""

    value: str
    name: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    figures: Sequence[Figure]
    words: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """All of one folder."""

    kind: str
    name: str
    tiles: Sequence[Tile]
    sections: Sequence[Section]
    notes: Sequence[str] = field(default_factory=tuple)
    """What is odd, or missing."""


def as_json(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """The numbers, without the plots."""
    return [
        {
            "kind": part.kind,
            "name": part.name,
            "summary": {tile.name: tile.value for tile in part.tiles},
            "notes": list(part.notes),
            "figures": [
                {
                    "name": figure.name,
                    "title": figure.title,
                    "head": list(figure.table.head),
                    "rows": [list(row) for row in figure.table.rows],
                }
                for section in part.sections
                for figure in section.figures
            ],
        }
        for part in parts
    ]


def digits(value: float | None) -> str:
    return "–" if value is None else f"{round(value, 3) + 0.0:.3f}"


def percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "–"
