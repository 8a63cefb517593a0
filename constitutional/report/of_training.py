"""The part of a report that shows a training: its curves, from the log in its folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from constitutional.errors import LedgerError
from constitutional.plots.charts import Series, lines
from constitutional.plots.page import Table
from constitutional.plots.svg import number
from constitutional.report.figures import NARROW, Figure, Part, Section, Tile
from constitutional.training.card import WORDS
from constitutional.training.folder import LOG, RECORD

POINTS, ROWS = 160, 24
"""Points of a curve and rows of its table: means of as many steps as it takes."""
CURVES = (
    ("loss", "Loss", ("loss", "eval_loss"), "loss"),
    ("accuracy", "Preference accuracy", ("rewards/accuracies", "eval_rewards/accuracies"), "share of pairs"),
    ("margin", "Reward margin", ("rewards/margins", "eval_rewards/margins"), "chosen − rejected"),
    ("rewards", "Rewards", ("rewards/chosen", "rewards/rejected"), "β · log-ratio"),
    ("logps", "Log-probabilities", ("logps/chosen", "logps/rejected"), "of whole answers"),
    ("token-accuracy", "Token accuracy", ("mean_token_accuracy", "eval_mean_token_accuracy"), "share of tokens"),
    ("gradient", "Gradient norm", ("grad_norm",), ""),
    ("rate", "Learning rate", ("learning_rate",), ""),
)
NAMES = {
    "loss": "training", "eval_loss": "held out", "rewards/accuracies": "training",
    "eval_rewards/accuracies": "held out", "rewards/margins": "training", "eval_rewards/margins": "held out",
    "mean_token_accuracy": "training", "eval_mean_token_accuracy": "held out",
}  # fmt: skip

Curve = list[tuple[float, float]]


def training_part(folder: Path) -> Part:
    record = _read(folder / RECORD)
    stages = list(record.get("stages") or [])
    curves = _curves(folder / LOG)
    sections = []
    for stage in stages:
        name = str(stage.get("stage", ""))
        figures = [*_before_and_after(stage), *_figures(name, curves.get(name, {}))]
        sections.append(
            Section(f"Stage {name}", figures, f"Ended early: {stage['stopped']}." if stage.get("stopped") else "")
        )
    settings = record.get("settings") or {}
    tiles = [
        Tile(f"{sum(int(stage.get('steps') or 0) for stage in stages):,}", "steps"),
        Tile(f"{max((int(stage.get('rows') or 0) for stage in stages), default=0):,}", "rows"),
        *(Tile(str(settings[key]), name) for key, name in (("loss", "loss"), ("beta", "β"), ("lr", "learning rate"))
          if settings.get(key) is not None),
    ]  # fmt: skip
    notes = [*record.get("notes", ()), *(note for stage in stages for note in stage.get("notes", ()))]
    shown = tuple(section for section in sections if section.figures)
    return Part("training", f"{folder.name}: {settings.get('model', 'a model')}", tiles, shown, tuple(map(str, notes)))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise LedgerError(f"{path}: cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise LedgerError(f"{path}: is no training's record")
    return found


def _curves(path: Path) -> dict[str, dict[str, Curve]]:
    """Stage → name → points. A line that is none is passed over: a training may be writing it."""
    found: dict[str, dict[str, Curve]] = {}
    for entry in _lines(path):
        stage, step = str(entry.get("stage", "")), entry.get("step")
        if not isinstance(step, int | float):
            continue
        for name, value in entry.items():
            if isinstance(value, int | float) and not isinstance(value, bool) and name not in ("step", "epoch"):
                found.setdefault(stage, {}).setdefault(name, []).append((float(step), float(value)))
    return found


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                yield entry


def _before_and_after(stage: dict[str, Any]) -> Iterator[Figure]:
    before, after = stage.get("before") or {}, stage.get("after") or {}
    rows = [(words, _shown(before.get(key)), _shown(after.get(key))) for key, words in WORDS.items() if key in after]
    if rows:
        name = f"{stage.get('stage')}-held-out"
        yield Figure(
            name,
            "Held out, before and after",
            "On prompts that were not trained on.",
            Table(("", "before", "after"), rows),
        )


def _figures(stage: str, curves: dict[str, Curve]) -> Iterator[Figure]:
    for name, title, keys, y_title in CURVES:
        found = {key: thinned(curves[key], POINTS) for key in keys if len(curves.get(key, ())) > 1}
        if not found:
            continue
        series = [
            Series(NAMES.get(key, key.rpartition("/")[2].replace("_", " ")), points) for key, points in found.items()
        ]
        plot = lines(f"{stage} {name}", series, x_title="step", y_title=y_title, width=NARROW)
        yield Figure(f"{stage}-{name}", title, "", _table(series), plot)


def _table(series: Sequence[Series]) -> Table:
    at: dict[float, dict[str, float]] = {}
    for one in series:
        for step, value in thinned(list(one.points), ROWS):
            at.setdefault(step, {})[one.name] = value
    names = [one.name for one in series]
    rows = [(number(step), *(_shown(values.get(name)) for name in names)) for step, values in sorted(at.items())]
    return Table(("step", *names), rows)


def thinned(points: Curve, most: int) -> Curve:
    """Means of as many neighbours as makes them ``most``; the last step keeps its place."""
    size = -(-len(points) // most)
    if size <= 1:
        return points
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(group[-1][0], _mean(value for _, value in group)) for group in groups]


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)


def _shown(value: Any) -> str:
    return number(float(value)) if isinstance(value, int | float) else "–"
