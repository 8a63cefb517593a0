"""A plot as a file of its own, for pages that show pictures and no styles: a README, the Hub."""

from __future__ import annotations

from constitutional.plots.page import STYLE

_OWN = "svg.plot { background: var(--paper); }"


def svg_file(drawing: str) -> str:
    """``drawing`` is what a plot's function returned."""
    rules = "\n".join(line for line in STYLE.splitlines() if _of_a_plot(line))
    head, mark, rest = drawing.partition("><title>")
    return f"{head}><style>{rules}\n{_OWN}</style><title>{rest}\n" if mark else drawing


def _of_a_plot(line: str) -> bool:
    return "svg" in line or line.startswith((":root", "@media (prefers", "  --"))
