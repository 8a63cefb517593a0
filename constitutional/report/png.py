"""Plots as PNG files, drawn from the same SVG: what is seen on the page is what is in the file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from constitutional.errors import MissingExtraError
from constitutional.plots.page import STYLE, svg_file
from constitutional.report.figures import Part
from constitutional.whole import writing

ZOOM = 2.0
VARIABLE = re.compile(r"(--[\w-]+): (#[0-9a-f]{6})")
USE = re.compile(r"var\((--[\w-]+)\)")


def write_pngs(parts: Sequence[Part], folder: Path) -> list[Path]:
    """One file for each plot; of several folders, each has its number before the name."""
    try:
        from resvg_py import svg_to_bytes
    except ImportError as error:
        raise MissingExtraError.naming("resvg_py", "report") from error
    written = []
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for at, part in enumerate(parts, 1):
            for figure in (figure for section in part.sections for figure in section.figures if figure.plot):
                path = folder / f"{f'{at}-' if len(parts) > 1 else ''}{figure.name}.png"
                drawn = svg_to_bytes(svg_string=_plain_colours(svg_file(figure.plot)), zoom=ZOOM, background="#ffffff")
                path.write_bytes(bytes(drawn))
                written.append(path)
    return written


def _plain_colours(svg: str) -> str:
    """With the page's light colours in place of its variables, which only browsers know."""
    light = dict(VARIABLE.findall(STYLE.partition("@media")[0]))
    return USE.sub(lambda found: light.get(found[1], "#000000"), svg)
