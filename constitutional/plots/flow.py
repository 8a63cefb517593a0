"""Where things went: a Sankey diagram, its columns from left to right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from constitutional.plots.charts import short
from constitutional.plots.svg import CHARACTER, colour, drawing, element, label

NODE, GAP, TOP, BOTTOM = 10.0, 26.0, 26.0, 12.0
TALL = 230.0
"""Height of all that flows, without the gaps."""
LONGEST = 22

Node = tuple[int, str]
"""Column and name."""
Flows = Mapping[tuple[Node, Node], int]


def flow(title: str, flows: Flows, *, columns: Sequence[str] = (), width: float = 960.0) -> str:
    """``flows``: (from, to) → how many. What stands in one column is drawn in the order of its first mention;
    ``columns`` are titles over them."""
    sizes = _sizes(flows)
    if not sizes:
        return drawing(title, width, TOP + BOTTOM, label(0, TOP, "nothing flowed", class_="note"))
    last = max(column for column, _ in sizes)
    total = max(sum(size for (at, _), size in sizes.items() if at == column) for column in range(last + 1))
    most = max(sum(1 for at, _ in sizes if at == column) for column in range(last + 1))
    height = TOP + TALL + GAP * most + BOTTOM
    room = CHARACTER * min(LONGEST, max(len(name) for at, name in sizes if at == last)) + 70
    step = (width - room - NODE) / max(1, last)
    tops = _places(sizes, TALL / total)
    parts = [
        label(min(step * at, width - room), 12, words, class_="note")
        for at, words in enumerate(columns[: last + 1])
        if words
    ]
    parts += _ribbons(flows, tops, step, TALL / total)
    for (at, name), size in sizes.items():
        x, y, tall = step * at, tops[at, name], max(size * TALL / total, 1.5)
        parts.append(element("rect", x=x, y=y, width=NODE, height=tall, fill=colour(_hue(at, last, name)), rx=2))
        middle = y + min(tall / 2, 400) + 4
        parts.append(label(x + NODE + 6, middle, f"{short(name, LONGEST)}  {size:,}"))
    return drawing(title, width, height, *parts)


def _sizes(flows: Flows) -> dict[Node, int]:
    """Of each node the larger of what comes in and what goes out."""
    out: dict[Node, int] = {}
    into: dict[Node, int] = {}
    for (start, end), count in flows.items():
        out[start] = out.get(start, 0) + count
        into[end] = into.get(end, 0) + count
    return {node: max(out.get(node, 0), into.get(node, 0)) for node in dict.fromkeys((*out, *into))}


def _places(sizes: Mapping[Node, int], scale: float) -> dict[Node, float]:
    tops: dict[Node, float] = {}
    reached: dict[int, float] = {}
    for node, size in sizes.items():
        column = node[0]
        tops[node] = reached.get(column, TOP)
        reached[column] = tops[node] + max(size * scale, 1.5) + GAP
    return tops


def _ribbons(flows: Flows, tops: Mapping[Node, float], step: float, scale: float) -> list[str]:
    left, right = dict(tops), dict(tops)
    parts = []
    for (start, end), count in sorted(flows.items(), key=lambda item: (tops[item[0][0]], tops[item[0][1]])):
        thick = max(count * scale, 1.0)
        x1, x2, y1, y2 = step * start[0] + NODE, step * end[0], left[start], right[end]
        left[start], right[end] = y1 + thick, y2 + thick
        bend = (x1 + x2) / 2
        path = (
            f"M{x1:.1f},{y1:.1f} C{bend:.1f},{y1:.1f} {bend:.1f},{y2:.1f} {x2:.1f},{y2:.1f} L{x2:.1f},{y2 + thick:.1f} "
            f"C{bend:.1f},{y2 + thick:.1f} {bend:.1f},{y1 + thick:.1f} {x1:.1f},{y1 + thick:.1f} Z"
        )
        parts.append(element("path", d=path, class_="ribbon", fill=colour(0)))
    return parts


def _hue(column: int, last: int, name: str) -> int:
    """What became of it in the end has a colour: pairs their own, everything else another."""
    if column < last:
        return 0
    return 2 if name.startswith("pair") else 1
