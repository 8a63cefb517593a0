"""A table of shares as shades of one colour, each with its number: who sees no colours reads the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from constitutional.plots.charts import short
from constitutional.plots.svg import CHARACTER, colour, drawing, element, label

CELL, TOP, LONGEST = 26.0, 30.0, 22


def matrix(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    shares: Mapping[tuple[str, str], float],
    *,
    width: float = 640.0,
) -> str:
    """``shares``: (row, column) → 0 to 1. Columns are numbered as the rows are where both have the same names."""
    left = 40 + CHARACTER * max((min(len(name), LONGEST) for name in rows), default=0)
    side = min((width - left - 8) / max(1, len(columns)), 2 * CELL)
    number = {name: place + 1 for place, name in enumerate(columns)}
    parts = [
        label(left + side * (place + 0.5), TOP - 8, str(place + 1), "middle", "note") for place in range(len(columns))
    ]
    for place, row in enumerate(rows):
        y = TOP + CELL * place
        own = f"{number[row]}  " if row in number else ""
        parts.append(label(left - 8, y + 17, f"{own}{short(row, LONGEST)}", "end"))
        for across, column in enumerate(columns):
            share = shares.get((row, column))
            x = left + side * across
            parts.append(element("rect", x=x, y=y, width=side - 2, height=CELL - 2, class_="cell", rx=2))
            if share is None:
                continue
            parts.append(
                element("rect", x=x, y=y, width=side - 2, height=CELL - 2, fill=colour(0), opacity=0.75 * share, rx=2)
            )
            parts.append(label(x + side / 2 - 1, y + 17, _percent(share, side), "middle", _tone(share)))
    return drawing(title, width, TOP + CELL * len(rows) + 8, *parts)


def _percent(share: float, side: float) -> str:
    return f"{100 * share:.0f}" + ("%" if side > 34 else "")


def _tone(share: float) -> str:
    return "label" if share else "note"
