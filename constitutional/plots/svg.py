"""SVG, as much of it as plots need: elements whose text is escaped, scales, and a frame with axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import floor, isfinite, log10

from constitutional.core.plain import one_line

Value = str | float
COLOURS = 6
"""How many ``--plot-N`` colours a page defines; a series beyond them begins again."""
CHARACTER = 6.4
"""Width of a character at the size of the labels, about."""


def element(name: str, text: str = "", /, **attributes: Value) -> str:
    """``class_`` and ``stroke_width`` are ``class`` and ``stroke-width``. ``text`` is already SVG: see ``label``."""
    written = "".join(f' {key.strip("_").replace("_", "-")}="{_value(value)}"' for key, value in attributes.items())
    return f"<{name}{written}>{text}</{name}>" if text else f"<{name}{written}/>"


def label(x: float, y: float, text: str, anchor: str = "start", class_: str = "label") -> str:
    return element("text", escape(one_line(text)), x=x, y=y, text_anchor=anchor, class_=class_)


def colour(number: int) -> str:
    return f"var(--plot-{number % COLOURS + 1})"


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to pixels; ``low`` and ``high`` differ."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from ``low`` to ``high``."""
    rough = (high - low) / max(1, about)
    power = 10.0 ** floor(log10(rough))
    step = min((size * power for size in (1, 2, 2.5, 5, 10)), key=lambda size: abs(size - rough))
    first = -floor(-low / step + 1e-9)
    return [round(step * number, 12) + 0.0 for number in range(first, floor(high / step + 1e-9) + 1)]


def span(values: Sequence[float], *, around: Sequence[float] = ()) -> tuple[float, float]:
    """The smallest and largest of all finite values, moved apart where they are as good as one."""
    finite = [value for value in (*values, *around) if isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    return (low, high) if high - low > 1e-12 * max(1.0, abs(low), abs(high)) else (low - 0.5, high + 0.5)


def number(value: float) -> str:
    """For people: four significant digits at most, no trailing zeros."""
    if not isfinite(value):
        return "–"
    if value and (abs(value) < 0.001 or abs(value) >= 1e6):
        return f"{value:.2e}"
    text = f"{value:,.3f}" if abs(value) < 100 else f"{value:,.0f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a plot with two axes stands in its drawing."""

    x: Scale
    y: Scale
    x_title: str = ""
    y_title: str = ""

    def draw(self, *, y_ticks: bool = True) -> str:
        bottom, left, right, top = self.y.start, self.x.start, self.x.end, self.y.end
        parts = []
        for value in ticks(self.y.low, self.y.high) if y_ticks else ():
            at = self.y(value)
            parts.append(element("line", x1=left, x2=right, y1=at, y2=at, class_="grid"))
            parts.append(label(left - 6, at + 4, number(value), "end"))
        for value in ticks(self.x.low, self.x.high):
            at = self.x(value)
            parts.append(element("line", x1=at, x2=at, y1=top, y2=bottom, class_="grid"))
            parts.append(label(at, bottom + 16, number(value), "middle"))
        parts.append(element("line", x1=left, x2=right, y1=bottom, y2=bottom, class_="axis"))
        parts.append(element("line", x1=left, x2=left, y1=top, y2=bottom, class_="axis"))
        if self.x_title:
            parts.append(label((left + right) / 2, bottom + 34, self.x_title, "middle", "title"))
        if self.y_title:
            parts.append(label(left - 40, top - 10, self.y_title, "start", "title"))
        return "".join(parts)


def drawing(title: str, width: float, height: float, *parts: str) -> str:
    """A whole plot, which says what it shows to who cannot see it, and shrinks with its page."""
    inside = f"<title>{escape(one_line(title))}</title>{''.join(parts)}"
    box = f"0 0 {_value(width)} {_value(height)}"
    namespace = "http://www.w3.org/2000/svg"
    return element("svg", inside, xmlns=namespace, viewBox=box, width=width, class_="plot", role="img")


def _value(value: Value) -> str:
    if isinstance(value, str):
        return escape(value)
    return f"{value:.2f}".rstrip("0").rstrip(".") if isfinite(value) else "0"
