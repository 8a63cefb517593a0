"""The plots: each a pure function from numbers to SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from constitutional.plots.svg import CHARACTER, Frame, Scale, colour, drawing, element, label, number, span, ticks

WIDTH, HEIGHT = 640.0, 320.0
ROW = 26.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 16.0, 28.0, 44.0
LONGEST_NAME = 34
ROOM = 130.0
"""Right of bars, for their numbers."""
MOST_DOTS = 80
"""A line through more points has none of them marked."""


class Bar(NamedTuple):
    """A named number; with ``low`` and ``high`` its interval. A value of None was not measured."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""


class Series(NamedTuple):
    """Points in order, each with its interval where ``low`` and ``high`` are given."""

    name: str
    points: Sequence[tuple[float, float]]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


class Cell(NamedTuple):
    """One bin of a reliability diagram: what was said, what was so, and of how many."""

    said: float
    so: float
    items: int


def bars(
    title: str,
    rows: Sequence[Bar],
    *,
    reference: float | None = None,
    around: Sequence[float] = (0.0,),
    filled: bool = True,
    width: float = WIDTH,
) -> str:
    """One row each, with its interval as a whisker. ``reference`` is a dashed line (chance), ``around`` is within the
    axis, and ``filled=False`` shows points in place of bars: for numbers whose zero means nothing."""
    names = [short(row.name, LONGEST_NAME if width >= WIDTH else LONGEST_NAME - 10) for row in rows]
    left = 16 + CHARACTER * max((len(name) for name in names), default=0)
    values = [value for row in rows for value in (row.value, row.low, row.high) if value is not None]
    low, high = span(values, around=(*around, *(() if reference is None else (reference,))))
    height = TOP + ROW * len(rows) + BOTTOM - 14
    notes = 16 + 1.15 * CHARACTER * max((len(row.note or number(row.value or 0.0)) for row in rows), default=0)
    room = max(ROOM if width >= WIDTH else 0.0, notes)
    frame = Frame(Scale(low, high, left, width - room), Scale(0, 1, height - BOTTOM + 14, TOP))
    parts = [frame.draw(y_ticks=False)]
    for place, (name, row) in enumerate(zip(names, rows, strict=True)):
        parts.append(_row(frame, name, row, TOP + ROW * (place + 0.5), filled, frame.x.end + 10))
    if reference is not None:
        parts.append(_dashed(frame.x(reference), TOP, frame.x(reference), frame.y.start))
    return drawing(title, width, height, *parts)


def _row(frame: Frame, name: str, row: Bar, middle: float, filled: bool, notes: float) -> str:
    parts = [label(frame.x.start - 8, middle + 4, name, "end")]
    if row.value is None:
        return parts[0] + label(notes, middle + 4, row.note or "not measured", class_="note")
    zero, at = frame.x(min(max(0.0, frame.x.low), frame.x.high)), frame.x(row.value)
    if filled:
        start, wide = min(zero, at), abs(at - zero)
        parts.append(
            element("rect", x=start, y=middle - 8, width=max(wide, 1.0), height=16, fill=colour(0), class_="bar")
        )
    else:
        parts.append(element("circle", cx=at, cy=middle, r=4, fill=colour(0)))
    if row.low is not None and row.high is not None:
        parts.append(_whisker(frame.x(row.low), frame.x(row.high), middle))
    return "".join(parts) + label(notes, middle + 4, row.note or number(row.value), class_="note")


def _whisker(start: float, end: float, y: float) -> str:
    ends = (element("line", x1=x, x2=x, y1=y - 5, y2=y + 5, class_="whisker") for x in (start, end))
    return element("line", x1=start, x2=end, y1=y, y2=y, class_="whisker") + "".join(ends)


def lines(
    title: str,
    series: Sequence[Series],
    *,
    x_title: str = "",
    y_title: str = "",
    around: Sequence[float] = (),
    width: float = WIDTH,
) -> str:
    """One line each, its interval as a band behind it."""
    points = [point for one in series for point in one.points]
    values = [*(y for _, y in points), *(edge for one in series for edge in (*one.low, *one.high))]
    frame = _frame(span([x for x, _ in points]), span(values, around=around), x_title, y_title, width)
    parts = [frame.draw()]
    for place, one in enumerate(series):
        xs = [x for x, _ in one.points]
        if one.low and one.high:
            edge = [*zip(xs, one.high, strict=True), *reversed(list(zip(xs, one.low, strict=True)))]
            parts.append(element("polygon", points=_places(frame, edge), fill=colour(place), class_="band"))
        parts.append(element("polyline", points=_places(frame, one.points), stroke=colour(place), class_="line"))
        dots = one.points if len(one.points) <= MOST_DOTS else ()
        parts += [element("circle", cx=frame.x(x), cy=frame.y(y), r=2.5, fill=colour(place)) for x, y in dots]
    return drawing(title, width, HEIGHT, *parts, legend([one.name for one in series]))


def scatter(
    title: str,
    series: Sequence[Series],
    *,
    x_title: str = "",
    y_title: str = "",
) -> str:
    """Points."""
    points = [point for one in series for point in one.points]
    frame = _frame(span([x for x, _ in points]), span([y for _, y in points]), x_title, y_title)
    parts = [frame.draw()]
    for place, one in enumerate(series):
        dots = (element("circle", cx=frame.x(x), cy=frame.y(y), r=2.5, fill=colour(place)) for x, y in one.points)
        parts.append(element("g", "".join(dots), class_="dots"))
    return drawing(title, WIDTH, HEIGHT, *parts, legend([one.name for one in series]))


def histogram(
    title: str,
    cells: Sequence[tuple[float, float, int]],
    *,
    x_title: str = "",
    y_title: str = "count",
    width: float = WIDTH,
) -> str:
    """How often which values occur: (from, to, count)."""
    low, high = (cells[0][0], cells[-1][1]) if cells else (0.0, 1.0)
    frame = _frame(
        (low, high), (0.0, float(max((count for _, _, count in cells), default=1)) or 1.0), x_title, y_title, width
    )
    parts = [frame.draw()]
    for start, end, count in cells:
        x, y = frame.x(start), frame.y(count)
        wide = max(frame.x(end) - x - 1, 0.5)
        parts.append(element("rect", x=x, y=y, width=wide, height=frame.y.start - y, fill=colour(0), class_="bar"))
    return drawing(title, width, HEIGHT, *parts)


def reliability(title: str, series: Sequence[tuple[str, Sequence[Cell]]], *, width: float = WIDTH) -> str:
    """What was said against what was so; on the diagonal a probability means what it says. Larger points are more
    items."""
    side = HEIGHT + 60
    frame = Frame(
        Scale(0, 1, LEFT, LEFT + side - TOP - BOTTOM), Scale(0, 1, side - BOTTOM, TOP), "the judge says", "it is so"
    )
    parts = [frame.draw(), _dashed(frame.x(0), frame.y(0), frame.x(1), frame.y(1))]
    for place, (_, cells) in enumerate(series):
        most = max((cell.items for cell in cells), default=1)
        path = _places(frame, [(cell.said, cell.so) for cell in cells])
        parts.append(element("polyline", points=path, stroke=colour(place), class_="line"))
        for cell in cells:
            size = 2.5 + 6 * (cell.items / most) ** 0.5
            parts.append(element("circle", cx=frame.x(cell.said), cy=frame.y(cell.so), r=size, fill=colour(place)))
    return drawing(title, width, side, *parts, legend([name for name, _ in series], frame.x.end + 24))


def _frame(xs: tuple[float, float], ys: tuple[float, float], x_title: str, y_title: str, width: float = WIDTH) -> Frame:
    room = 0.0 if ys[0] >= 0 and ticks(*ys) and ticks(*ys)[0] == ys[0] else (ys[1] - ys[0]) * 0.04
    x = Scale(*xs, LEFT, width - RIGHT)
    y = Scale(ys[0] - room, ys[1] + (ys[1] - ys[0]) * 0.04, HEIGHT - BOTTOM, TOP)
    return Frame(x, y, x_title, y_title)


def legend(names: Sequence[str], x: float | None = None, start: float = LEFT + 120) -> str:
    """Nothing for a single series: its title names it. In a column at ``x``, else in a row above from ``start``."""
    if len(names) < 2:
        return ""
    parts, across = [], start
    for place, name in enumerate(map(short, names)):
        left, y = (across, 8.0) if x is None else (x, TOP + 20.0 * place)
        parts.append(element("rect", x=left, y=y, width=11, height=11, fill=colour(place)))
        parts.append(label(left + 16, y + 10, name))
        across += 34 + CHARACTER * len(name)
    return "".join(parts)


def _places(frame: Frame, points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{frame.x(x):.2f},{frame.y(y):.2f}" for x, y in points)


def _dashed(x1: float, y1: float, x2: float, y2: float) -> str:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="reference")


def short(name: str, longest: int = LONGEST_NAME) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"
