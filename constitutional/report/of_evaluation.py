"""The part of a report that shows an evaluation: measures of each model with intervals, and what is different."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from constitutional.errors import LedgerError
from constitutional.plots.charts import Bar, bars
from constitutional.plots.compared import compared
from constitutional.plots.page import Table
from constitutional.plots.svg import number
from constitutional.report.figures import NARROW, Figure, Part, Section, Tile, digits

EVALUATION = "evaluation.json"
FORMAT = 1
GROUPS = (
    ("outcome", "What matters", ("violation_rate", "over_refusal", "refusal_rate", "refusal_harmful", "win_rate",
                                 "win_rate_length_controlled", "empty", "unreadable")),
    ("text", "How it writes", ("distinct_1", "distinct_2", "repetition")),
)  # fmt: skip
ALONE = ("length", "perplexity")
"""Of a scale of their own."""
BY = (
    ("violation_rate/principle:", "by-principle", "Violations by principle"),
    ("violation_rate/tier:", "by-tier", "Violations by tier"),
    ("violation_rate/tag:", "by-tag", "Violations by tag"),
    ("score:", "scores", "Scores"),
)
MARKS = {
    "improved": "✓ improved", "worse": "✗ worse", "indistinguishable": "≈ not distinguishable", "higher": "▲ higher",
    "lower": "▼ lower",
}  # fmt: skip
"""Higher and lower are said of measures of which neither is better."""
LEGEND = {"indistinguishable": "≈ unclear"}
ARROWS = {"higher": " ↑", "lower": " ↓"}

Measures = Mapping[str, Mapping[str, Mapping[str, Any]]]


def evaluation_part(path: Path) -> Part:
    found = _read(path)
    measures: Measures = found.get("measures") or {}
    comparisons: Sequence[Mapping[str, Any]] = found.get("comparisons") or []
    models = [str(model.get("name")) for model in found.get("models") or [] if model.get("name") in measures] or list(
        measures
    )
    names = {str(model.get("name")): str(model.get("model", "")) for model in found.get("models") or []}
    sections = [
        Section("What changed", [*_differences(comparisons, _better(found)), *_gate(found.get("gate") or [])]),
        Section("The models", list(_measured(measures, models))),
        Section("By principle, tier, tag and scorer", list(_by(measures, models))),
        Section("Rating", list(_rating(found.get("rating") or {}))),
    ]
    counts = {word: sum(1 for one in comparisons if one.get("verdict") == word) for word in MARKS}
    tiles = [
        Tile(f"{int(found.get('prompts') or 0):,}", "prompts"),
        *(
            Tile(str(counts[word]), MARKS[word][2:], "of the measures")
            for word in ("improved", "worse", "indistinguishable")
        ),
        *(Tile(name, "model", names.get(name, "")) for name in models),
    ]
    notes = [*map(str, found.get("warnings") or ())]
    notes += [f"{name} was not measured: {why}" for name, why in (found.get("not_measured") or {}).items()]
    shown = tuple(section for section in sections if section.figures)
    constitution = found.get("constitution") or {}
    title = f"{path.parent.name}: {constitution.get('name', 'an evaluation')} {constitution.get('version', '')}".strip()
    return Part("evaluation", title, tiles, shown, tuple(notes))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise LedgerError(f"{path}: cannot be read: {error}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        given = found.get("format") if isinstance(found, dict) else None
        raise LedgerError(
            f"{path}: is no evaluation of format {FORMAT} (its format is {given}): run `constitutional evaluate` again"
        )
    return found


def _better(found: Mapping[str, Any]) -> dict[str, str]:
    """Measure → an arrow to where it is better; nothing where neither is."""
    return {
        str(name): ARROWS.get(str(one.get("better")), "")
        for name, one in (found.get("about") or {}).items()
        if isinstance(one, Mapping)
    }


def _differences(comparisons: Sequence[Mapping[str, Any]], better: Mapping[str, str]) -> Iterator[Figure]:
    """All of them in one table; shares and scores, which have one scale, in the plot."""
    if not comparisons:
        return
    several = len({(one.get("model"), one.get("against")) for one in comparisons}) > 1
    shown = [one for one in comparisons if str(one.get("measure")) not in ALONE and "/" not in str(one.get("measure"))]
    used = [word for word in MARKS if any(one.get("verdict") == word for one in shown)]
    drawn = [
        (
            _named(one, several, better),
            [_bar(one, "difference") if one.get("verdict") == word else None for word in used],
        )
        for one in shown
    ]
    rows = [
        (
            _named(one, several, better),
            _signed(one.get("difference")),
            f"{_signed(one.get('low'))} to {_signed(one.get('high'))}",
            _p(one.get("p_adjusted", one.get("p_value"))),
            MARKS.get(str(one.get("verdict")), str(one.get("verdict"))),
        )
        for one in comparisons
    ]
    head = ("measure", "difference", "95 % interval", "p", "verdict")
    names = [LEGEND.get(word, MARKS[word]) for word in used]
    plot = compared("differences", drawn, names, reference=0.0, width=NARROW) if drawn else ""
    yield Figure(
        "differences",
        "After, less before",
        "Tuned less base, with 95 % intervals. An arrow says which way is better; p is adjusted for how many there are.",
        Table(head, rows),
        plot,
    )


def _named(one: Mapping[str, Any], several: bool, better: Mapping[str, str]) -> str:
    measure = _words(str(one.get("measure"))) + better.get(str(one.get("measure")), "")
    return f"{measure}, {one.get('model')} / {one.get('against')}" if several else measure


def _gate(gate: Sequence[Any]) -> Iterator[Figure]:
    rows = [
        ("✓" if one.get("passed") else "✗", str(one.get("condition", one.get("measure", ""))), str(one.get("model", "")),
         _cell(one.get("value")))
        for one in gate
        if isinstance(one, Mapping)
    ]  # fmt: skip
    if rows:
        yield Figure("gate", "The gate", "What had to hold.", Table(("", "condition", "model", "value"), rows))


def _measured(measures: Measures, models: Sequence[str]) -> Iterator[Figure]:
    for name, title, wanted in GROUPS:
        kept = [one for one in wanted if any(one in measures[model] for model in models)]
        if kept:
            yield _figure(name, title, kept, measures, models)
    for name in ALONE:
        if any(name in measures[model] for model in models):
            yield _figure(name, name.capitalize(), [name], measures, models, around=())


def _by(measures: Measures, models: Sequence[str]) -> Iterator[Figure]:
    every = list(dict.fromkeys(name for model in models for name in measures[model]))
    for prefix, name, title in BY:
        kept = [one for one in every if one.startswith(prefix)]
        if kept:
            yield _figure(name, title, kept, measures, models)


def _figure(
    name: str,
    title: str,
    kept: Sequence[str],
    measures: Measures,
    models: Sequence[str],
    around: Sequence[float] = (0.0,),
) -> Figure:
    drawn = [(_words(one), [_bar(measures[model].get(one), "value") for model in models]) for one in kept]
    rows = [
        (
            _words(one),
            model,
            _cell(own.get("value")),
            f"{_cell(own.get('low'))} to {_cell(own.get('high'))}",
            str(own.get("n", "")),
        )
        for one in kept
        for model in models
        if (own := measures[model].get(one)) is not None
    ]
    head = ("measure", "model", "value", "95 % interval", "n")
    return Figure(name, title, "", Table(head, rows), compared(title, drawn, models, around=around, width=NARROW))


def _rating(rating: Mapping[str, Any]) -> Iterator[Figure]:
    """Whatever has a value and an interval, by model."""
    entries = rating.get("models", rating)
    found: dict[str, Mapping[str, Any]] = {}
    if isinstance(entries, Mapping):
        found = {str(key): one for key, one in entries.items() if isinstance(one, Mapping)}
    elif isinstance(entries, list):
        found = {str(one.get("name")): one for one in entries if isinstance(one, Mapping)}
    drawn, rows = [], []
    for name, one in found.items():
        key = next(
            (key for key in ("elo", "rating", "value", "strength") if isinstance(one.get(key), int | float)), None
        )
        if key is not None:
            drawn.append(Bar(name, one[key], one.get("low"), one.get("high"), number(float(one[key]))))
            rows.append((name, _cell(one[key]), f"{_cell(one.get('low'))} to {_cell(one.get('high'))}"))
    if drawn:
        plot = bars("rating", drawn, filled=False, around=(), width=NARROW)
        yield Figure("rating", "Bradley-Terry rating", "", Table(("model", "rating", "95 % interval"), rows), plot)


def _bar(one: Mapping[str, Any] | None, key: str) -> Bar | None:
    if one is None or not isinstance(one.get(key), int | float):
        return None
    return Bar("", one[key], one.get("low"), one.get("high"))


def _words(measure: str) -> str:
    name, _, rest = measure.partition("/")
    if rest:
        return rest.partition(":")[2] or rest
    return name.replace("_", " ").removeprefix("score:")


def _cell(value: Any) -> str:
    if not isinstance(value, int | float):
        return "–"
    return digits(float(value)) if abs(value) < 100 else number(float(value))


def _signed(value: Any) -> str:
    return f"{value:+.3f}" if isinstance(value, int | float) else "–"


def _p(value: Any) -> str:
    return "–" if not isinstance(value, int | float) else ("< 0.001" if value < 0.001 else f"{value:.3f}")
