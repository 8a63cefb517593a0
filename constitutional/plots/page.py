"""A page of text, tables and plots in one file: light and dark, printable, and nothing in it asks the network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from constitutional.core.plain import one_line

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""Whatever a judged text contains: no script runs, and no address is asked."""
NUMBER = re.compile(r"[-+]?[\d.,]+%?(?: (?:to|\[).*)?|–")
STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5b6570; --line: #d5dae0; --paper: #ffffff; --card: #f6f8fa;
  --good: #00694a; --bad: #a63a00;
  --plot-1: #0072b2; --plot-2: #d55e00; --plot-3: #009e73; --plot-4: #cc79a7; --plot-5: #b07d00; --plot-6: #56b4e9; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebee; --soft: #a2acb6; --line: #39424c; --paper: #14181d;
  --card: #1d232a; --good: #4cd6a4; --bad: #ff9a5c;
  --plot-1: #56b4e9; --plot-2: #ff9a5c; --plot-3: #35c49a; --plot-4: #e3a3c6; --plot-5: #f0c419; --plot-6: #9ecbe8; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem; color: var(--ink); background: var(--paper);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
.verdict { padding: 1rem; border-left: .4rem solid var(--soft); background: var(--card); }
.verdict.good { border-color: var(--good); } .verdict.bad { border-color: var(--bad); }
.verdict strong { font-size: 1.15rem; }
figure { margin: 1rem 0; } figcaption { color: var(--soft); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5rem 0; }
th, td { padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
td.n, th.n { text-align: right; } summary { cursor: pointer; color: var(--soft); }
svg.plot { max-width: 100%; height: auto; display: block; font: 12px system-ui, sans-serif; }
svg .label, svg .title { fill: var(--ink); } svg .note { fill: var(--soft); } svg .title { font-weight: 600; }
svg .grid { stroke: var(--line); stroke-width: .7; } svg .axis { stroke: var(--soft); } svg .bar { opacity: .75; }
svg .whisker { stroke: var(--ink); stroke-width: 1.5; } svg .line { fill: none; stroke-width: 2; }
svg .band { opacity: .2; } svg .dots { opacity: .6; } svg .ribbon { opacity: .28; }
svg .cell { fill: var(--card); } svg .hollow { fill: var(--paper); }
svg .reference { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 5 4; }
@media print { body { max-width: none; } details { display: none; } }
"""


class Table(NamedTuple):
    """A column after the first is aligned as numbers where its first cell is one."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def page(title: str, *parts: str, style: str = "") -> str:
    """``style``: rules of its own after those of every page."""
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        f"<title>{text(title)}</title><style>{STYLE}{style}</style>"
    )
    body = "\n".join((f"<h1>{text(title)}</h1>", *(part for part in parts if part)))
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def section(title: str, *parts: str) -> str:
    return "\n".join((f"<h2>{text(title)}</h2>", *(part for part in parts if part)))


def paragraph(words: str) -> str:
    return f"<p>{text(words)}</p>"


def bullets(items: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{text(item)}</li>' for item in items)}</ul>" if items else ""


def verdict(words: str, *parts: str, good: bool) -> str:
    kind = "good" if good else "bad"
    return f'<div class="verdict {kind}"><strong>{text(words)}</strong>{"".join(parts)}</div>'


def table(content: Table) -> str:
    first = content.rows[0] if content.rows else [""] * len(content.head)
    numeric = [place > 0 and bool(NUMBER.fullmatch(cell)) for place, cell in enumerate(first)]
    rows = "".join(_row("td", row, numeric) for row in content.rows)
    head = _row("th", content.head, numeric)
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'


def figure(plot: str, caption: str, numbers: Table) -> str:
    """A plot with its numbers: who cannot see the one can read the other."""
    shown = f"<details><summary>the numbers</summary>{table(numbers)}</details>"
    return f"<figure>{plot}<figcaption>{text(caption)}</figcaption>{shown}</figure>"


def text(words: str) -> str:
    return escape(one_line(words))


def _row(kind: str, cells: Sequence[str], numeric: Sequence[bool]) -> str:
    shown = [_cell(kind, cell, is_number) for cell, is_number in zip(cells, numeric, strict=True)]
    return f"<tr>{''.join(shown)}</tr>"


def _cell(kind: str, content: str, is_number: bool) -> str:
    attribute = ' class="n"' if is_number else ""
    return f"<{kind}{attribute}>{text(content)}</{kind}>"


_ALONE = "svg.plot { background: var(--paper); }"


def svg_file(drawing: str) -> str:
    """A plot as a file of its own, for places that show pictures and no styles: a README, the Hub. ``drawing`` is what a
    plot's function returned."""
    rules = "\n".join(line for line in STYLE.splitlines() if _of_a_plot(line))
    head, mark, rest = drawing.partition("><title>")
    return f"{head}><style>{rules}\n{_ALONE}</style><title>{rest}\n" if mark else drawing


def _of_a_plot(line: str) -> bool:
    return "svg" in line or line.startswith((":root", "@media (prefers", "  --"))
