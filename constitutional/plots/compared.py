"""The same measures of several things side by side: a dot each, with its interval, in one row."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from constitutional.plots.charts import LEFT, RIGHT, Bar, legend, short
from constitutional.plots.svg import CHARACTER, Frame, Scale, colour, drawing, element, label, span

ROW, TOP, BOTTOM = 28.0, 30.0, 34.0
LONGEST = 28

Row = tuple[str, Sequence[Bar | None]]
"""Name, and one bar for each series; None where it was not measured."""


def compared(
    title: str,
    rows: Sequence[Row],
    names: Sequence[str],
    *,
    around: Sequence[float] = (0.0,),
    reference: float | None = None,
    width: float = 640.0,
) -> str:
    """``names`` are the series. A thin line joins the dots of a row, so that a change is seen as its length."""
    shown = [short(name, LONGEST) for name, _ in rows]
    left = max(LEFT, 16 + CHARACTER * max((len(name) for name in shown), default=0))
    values = [edge for _, bars in rows for bar in bars if bar for edge in (bar.value, bar.low, bar.high)]
    edges = (*around, *(() if reference is None else (reference,)))
    low, high = span([value for value in values if value is not None], around=edges)
    room = (high - low) * 0.03
    height = TOP + ROW * len(rows) + BOTTOM
    bottom = TOP + ROW * len(rows)
    frame = Frame(Scale(low - room, high + room, left, width - RIGHT), Scale(0, 1, bottom, TOP))
    parts = [frame.draw(y_ticks=False)]
    if reference is not None:
        x = frame.x(reference)
        parts.append(element("line", x1=x, x2=x, y1=TOP, y2=bottom, class_="reference"))
    for place, (name, (_, bars)) in enumerate(zip(shown, rows, strict=True)):
        parts.append(_row(frame, name, bars, TOP + ROW * (place + 0.5)))
    return drawing(title, width, height, *parts, legend([short(name, LONGEST) for name in names], start=12.0))


def _row(frame: Frame, name: str, bars: Sequence[Bar | None], middle: float) -> str:
    parts = [label(frame.x.start - 8, middle + 4, name, "end")]
    there = [(place, bar, bar.value) for place, bar in enumerate(bars) if bar is not None and bar.value is not None]
    apart = min(7.0, ROW / (len(there) + 1))
    dots = [
        (frame.x(value), middle + apart * (at - (len(there) - 1) / 2), bar, place)
        for at, (place, bar, value) in enumerate(there)
    ]
    if not dots:
        return parts[0] + label(frame.x.start + 8, middle + 4, "not measured", class_="note")
    for (x1, y1, _, _), (x2, y2, _, _) in itertools.pairwise(dots):
        parts.append(element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="axis"))
    for x, y, bar, place in dots:
        if bar.low is not None and bar.high is not None:
            ends = {"x1": frame.x(bar.low), "x2": frame.x(bar.high)}
            parts.append(element("line", y1=y, y2=y, stroke=colour(place), stroke_width=2.0, **ends))
        parts.append(_mark(x, y, place))
    return "".join(parts)


def _mark(x: float, y: float, place: int) -> str:
    """Series differ in shape as well as in colour."""
    if place % 3 == 0:
        return element("circle", cx=x, cy=y, r=4.5, fill=colour(place))
    if place % 3 == 2:
        return element("circle", cx=x, cy=y, r=4.0, stroke=colour(place), stroke_width=2.0, class_="hollow")
    return element("path", d=f"M{x:.1f},{y - 5.5:.1f} l5.5,5.5 l-5.5,5.5 l-5.5,-5.5 Z", fill=colour(place))
