from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.plots.charts import (
    Bar,
    Cell,
    Series,
    bars,
    histogram,
    lines,
    reliability,
    scatter,
)
from constitutional.plots.compared import compared
from constitutional.plots.flow import flow
from constitutional.plots.matrix import matrix
from constitutional.plots.svg import Scale, number, span, ticks

NASTY = '<script>"&\x00\ud83d\n'
NUMBER = st.floats(-1e6, 1e6)
POINTS = st.lists(st.tuples(NUMBER, NUMBER), max_size=8)


def drawn(svg: str) -> ElementTree.Element:
    """Well-formed, and every number in it finite."""
    assert not re.search(r'="(?:nan|inf|-inf)', svg)
    return ElementTree.fromstring(svg)


def tags(svg: str, name: str) -> list[ElementTree.Element]:
    return [found for found in drawn(svg).iter() if found.tag.endswith(f"}}{name}")]


PLOTS: dict[str, Callable[[], str]] = {
    "bars": lambda: bars(NASTY, [Bar(NASTY, 0.5, 0.2, 0.7), Bar("b", None)], reference=0.5),
    "points": lambda: bars("t", [Bar("a", -1.0, -2.0, 3.0)], filled=False),
    "lines": lambda: lines(NASTY, [Series("a", [(0, 1), (1, 2)], [0, 1], [2, 3]), Series(NASTY, [(0, 0)])]),
    "scatter": lambda: scatter("t", [Series("a", [(0, 1), (5, 2)])]),
    "histogram": lambda: histogram("t", [(0.1, 0.5, 3), (0.5, 0.9, 1)]),
    "reliability": lambda: reliability("t", [("before", [Cell(0.6, 0.5, 3)]), ("after", [Cell(0.6, 0.6, 1)])]),
    "flow": lambda: flow(NASTY, {((0, "a"), (1, NASTY)): 3, ((0, "a"), (1, "pair")): 1}, columns=(NASTY,)),
    "compared": lambda: compared("t", [(NASTY, [Bar("", 0.5, 0.2, 0.7), None])], (NASTY, "b"), reference=0.0),
    "matrix": lambda: matrix("t", [NASTY, "b"], [NASTY, "b"], {(NASTY, "b"): 0.5}),
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_well_formed_says_what_it_shows_and_asks_for_nothing(name: str) -> None:
    svg = PLOTS[name]()
    (title,) = tags(svg, "title")
    assert title.text
    assert drawn(svg).get("role") == "img"
    assert not re.search(r"href|<script|<image|url\(|@import", svg)
    assert not re.search(r'(?:fill|stroke)="#', svg), "colours are the page's, light or dark"


def test_nothing_at_all_is_a_plot_too() -> None:
    for svg in (bars("t", []), lines("t", []), scatter("t", []), histogram("t", []), reliability("t", [])):
        drawn(svg)
    for svg in (flow("t", {}), compared("t", [], []), matrix("t", [], [], {})):
        drawn(svg)


def test_a_bar_is_as_long_as_its_number_and_its_whisker_as_wide_as_its_interval() -> None:
    svg = bars("t", [Bar("a", 0.25, 0.2, 0.5), Bar("b", 1.0)], around=(0.0, 1.0))
    one, other = (float(rect.get("width") or 0) for rect in tags(svg, "rect"))
    assert one / other == pytest.approx(0.25, abs=0.01)
    whisker = next(line for line in tags(svg, "line") if line.get("class") == "whisker")
    wide = float(whisker.get("x2") or 0) - float(whisker.get("x1") or 0)
    assert wide / other == pytest.approx(0.3, abs=0.01)


def test_what_was_not_measured_says_so() -> None:
    assert "not measured" in bars("t", [Bar("a", None)])


def test_a_histogram_has_a_bar_as_high_as_each_count() -> None:
    heights = [float(bar.get("height") or 0) for bar in tags(histogram("t", [(0, 1, 4), (1, 2, 1)]), "rect")]
    assert heights[1] / heights[0] == pytest.approx(0.25, abs=0.01)


def test_a_legend_names_several_series_and_no_single_one() -> None:
    one = lines("t", [Series("alone", [(0, 1), (1, 2)])])
    assert "alone" not in one
    assert "second" in lines("t", [Series("first", [(0, 1)]), Series("second", [(0, 1)])])


@given(st.lists(st.tuples(st.text(max_size=5), st.none() | NUMBER), max_size=6))
def test_any_numbers_make_a_drawing(rows: list[tuple[str, float | None]]) -> None:
    drawn(bars("t", [Bar(name, value, value, value) for name, value in rows]))


@given(POINTS)
def test_any_points_make_a_drawing(points: list[tuple[float, float]]) -> None:
    drawn(lines("t", [Series("a", points)]))
    drawn(scatter("t", [Series("a", points)]))


@given(NUMBER, NUMBER)
def test_ticks_are_round_few_and_inside(one: float, other: float) -> None:
    low, high = span([one, other])
    found = ticks(low, high)
    room = (high - low) * 1e-6
    assert len(found) <= 11
    assert all(low - room <= tick <= high + room for tick in found)
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.5, "0.5"),
        (0.12345, "0.123"),
        (12.0, "12"),
        (1234.5, "1,234"),
        (1e-5, "1.00e-05"),
        (0, "0"),
        (float("nan"), "–"),
    ],
)
def test_numbers_for_people(value: float, shown: str) -> None:
    assert number(value) == shown


def test_a_scale_maps_ends_to_ends() -> None:
    scale = Scale(1, 3, 100, 50)
    assert [scale(value) for value in (1, 2, 3)] == [100, 75, 50]


def test_what_flows_into_a_step_flows_out_of_it_as_wide() -> None:
    svg = flow("t", {((0, "all"), (1, "some")): 30, ((0, "all"), (1, "rest")): 10})
    whole, some, rest = (float(rect.get("height") or 0) for rect in tags(svg, "rect"))
    assert some + rest == pytest.approx(whole)
    assert some == pytest.approx(3 * rest)
