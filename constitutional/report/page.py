"""A report as one HTML file: no script, no request, light and dark, on paper and on a phone."""

from __future__ import annotations

from collections.abc import Sequence

from constitutional.plots.page import page, table, text
from constitutional.report.figures import Figure, Part, Section, Tile

STYLE = """
body { max-width: 66rem; padding: 2rem 1.5rem 4rem; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; letter-spacing: -.01em; }
h2 { border: 0; font-size: 1.3rem; margin: 3rem 0 .4rem; letter-spacing: -.01em; }
h3 { font-size: 1rem; margin: 2rem 0 .6rem; color: var(--soft); text-transform: uppercase; letter-spacing: .06em; }
h4 { font-size: 1rem; margin: 0; }
.by { color: var(--soft); margin: 0 0 1.5rem; }
nav { display: flex; flex-wrap: wrap; gap: .35rem .5rem; margin: 1rem 0 0; font-size: .9rem; }
nav a { color: inherit; text-decoration: none; border: 1px solid var(--line); border-radius: 99px; padding: .15rem .7rem; }
nav a:hover, nav a:focus-visible { background: var(--card); border-color: var(--soft); }
.kind { font-size: .72rem; font-weight: 600; text-transform: uppercase; letter-spacing: .08em; color: var(--soft); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.2rem, 1fr)); gap: .75rem; margin: 1rem 0; }
.tile { background: var(--card); border-radius: .6rem; padding: .75rem .9rem; }
.tile b { display: block; font-size: 1.45rem; line-height: 1.25; font-variant-numeric: tabular-nums; }
.tile span { display: block; } .tile small { color: var(--soft); }
.notes { border-left: .25rem solid var(--bad); background: var(--card); border-radius: 0 .6rem .6rem 0;
  padding: .6rem 1rem; margin: 1rem 0; } .notes ul { margin: .2rem 0; padding-left: 1.1rem; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 27rem), 1fr)); gap: 1rem; }
figure { margin: 0; border: 1px solid var(--line); border-radius: .6rem; padding: 1rem; min-width: 0;
  break-inside: avoid; }
figure.wide { grid-column: 1 / -1; }
table { overflow-wrap: normal; } figcaption { font-size: .88rem; margin: .15rem 0 .6rem; }
svg.plot { width: 100%; max-width: 60rem; margin: 0 auto; } figure:not(.wide) svg.plot { max-width: 29rem; }
details { margin-top: .6rem; font-size: .88rem; } .tall { max-height: 26rem; overflow: auto; }
footer { margin-top: 3rem; color: var(--soft); font-size: .85rem; }
@media (max-width: 34rem) {
  body { padding: 1.2rem .6rem 3rem; } figure { padding: .7rem .35rem; border-left: 0; border-right: 0; border-radius: 0; }
  figure > h4, figcaption, details { padding: 0 .35rem; }
  figure.wide .plotted { overflow-x: auto; } figure.wide svg.plot { min-width: 44rem; }
  .tile { padding: .55rem .7rem; } .tile b { font-size: 1.2rem; } .tiles { gap: .5rem; }
}
@media print {
  body { padding: 0; font-size: 11pt; } nav { display: none; }
  .grid { grid-template-columns: 1fr 1fr; } .tall { max-height: none; } h2, h3 { break-after: avoid; }
}
"""


def report_page(parts: Sequence[Part], *, version: str, when: str) -> str:
    alone = len(parts) == 1
    title = parts[0].name if alone else "Report"
    links = "".join(
        f'<a href="#p{at}-{place}">{text(section.title)}</a>'
        for at, part in enumerate(parts)
        for place, section in enumerate(part.sections)
    )
    body = "".join(_part(part, at, alone) for at, part in enumerate(parts))
    by = f"{parts[0].kind.capitalize() if alone else 'Made'} · {when} · constitutional {version}"
    return page(
        title,
        f'<p class="by">{text(by)}</p>',
        f"<nav>{links}</nav>" if links else "",
        body,
        f"<footer>{text('Every plot has its numbers below it. Intervals are 95 % intervals.')}</footer>",
        style=STYLE,
    )


def _part(part: Part, at: int, alone: bool) -> str:
    """Its name stands over the page where there is no other."""
    notes = "".join(f"<li>{text(note)}</li>" for note in part.notes)
    return "".join(
        [
            "<section>",
            "" if alone else f'<h2><span class="kind">{text(part.kind)}</span><br>{text(part.name)}</h2>',
            f'<div class="tiles">{"".join(map(_tile, part.tiles))}</div>',
            f'<div class="notes"><strong>Worth knowing</strong><ul>{notes}</ul></div>' if notes else "",
            *(_section(section, f"p{at}-{place}") for place, section in enumerate(part.sections)),
            "</section>",
        ]
    )


def _tile(tile: Tile) -> str:
    note = f"<small>{text(tile.note)}</small>" if tile.note else ""
    return f'<div class="tile"><b>{text(tile.value)}</b><span>{text(tile.name)}</span>{note}</div>'


def _section(section: Section, name: str) -> str:
    words = f"<p>{text(section.words)}</p>" if section.words else ""
    figures = "".join(map(_figure, section.figures))
    return f'<h3 id="{name}">{text(section.title)}</h3>{words}<div class="grid">{figures}</div>'


def _figure(figure: Figure) -> str:
    caption = f"<figcaption>{text(figure.caption)}</figcaption>" if figure.caption else ""
    numbers = f'<div class="tall">{table(figure.table)}</div>'
    if figure.plot:
        numbers = f"<details><summary>the numbers</summary>{numbers}</details>"
    plot = f'<div class="plotted">{figure.plot}</div>' if figure.plot else ""
    kind = ' class="wide"' if figure.wide else ""
    return f"<figure{kind}><h4>{text(figure.title)}</h4>{caption}{plot}{numbers}</figure>"
