"""How a graded comparison is read: in whatever form a model put the grades, and never by guessing.

The form asked for is ``{"reason": …, "scores": {"accuracy": {"A": 7, "B": 4}, …}, "winner": "A"}``. Models also nest it
the other way round, make lists of it, write ``8/10``, or repeat the names in other words; all of that is read. A grade
that is missing or out of range is left out on both sides."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from constitutional.core.loose_json import objects

Side = Literal["A", "B"]
Winner = Literal["A", "B", "tie"]

_SIDE = re.compile(
    r"(?:(?:the|answer|response|assistant|option|candidate|score|grade|for|of)\s)*(a|b)(?:\s(?:score|grade|rating))?\Z"
)
_TIE = frozenset({"tie", "tied", "draw", "equal", "both", "neither", "same", "none"})
_GRADE = frozenset({"score", "grade", "rating", "value", "points"})
_NAME = frozenset({"dimension", "name", "criterion", "point", "aspect"})
_WINNER = frozenset({"winner", "better", "preferred", "preference", "verdict", "choice", "best"})
_REASON = frozenset({"reason", "reasons", "reasoning", "explanation", "rationale", "justification"})
_NUMBER = re.compile(r"\s*(\d+(?:[.,]\d+)?)\s*(?:(%)|(?:/|out of|of)\s*(\d+(?:[.,]\d+)?))?\D*\Z", re.IGNORECASE)


class Reply(NamedTuple):
    """``grades`` holds only the points on which both answers were graded."""

    grades: Mapping[str, tuple[float, float]]
    winner: Winner | None
    reason: str


def read_reply(text: str, dimensions: tuple[str, ...], points: int) -> Reply | None:
    """The last object in the text that grades both answers on at least one point; None where there is none. The last,
    since a model that thinks aloud may sketch one before."""
    for value in reversed(objects(text)):
        grades = _both_sides(value, dimensions, points)
        if grades:
            return Reply(grades, _first(value, _WINNER, _winner), _first(value, _REASON, _text) or "")
    return None


def difference(reply: Reply, weights: Mapping[str, float]) -> float | None:
    """How many points A is better than B, as the weighted mean over the points graded. Equal grades with a named winner
    are worth half a point; a winner that contradicts the grades makes the verdict unreadable: None. Every graded point
    has a weight above 0."""
    total = sum(weights[name] for name in reply.grades)
    points = sum(weights[name] * (a - b) for name, (a, b) in reply.grades.items()) / total
    sign = {"A": 1, "B": -1}.get(reply.winner or "", 0)
    if abs(points) < 1e-9:
        return sign / 2
    return None if points * sign < 0 else points


def _both_sides(value: Any, dimensions: tuple[str, ...], points: int) -> dict[str, tuple[float, float]]:
    found: dict[tuple[str, Side], float] = {}
    for dimension, side, grade in _grades(value, {plain(name): name for name in dimensions}, None, None):
        number = _number(grade, points)
        if number is not None:
            found.setdefault((dimension, side), number)
    return {
        name: (found[name, "A"], found[name, "B"])
        for name in dimensions
        if (name, "A") in found and (name, "B") in found
    }


def _grades(
    value: Any, names: Mapping[str, str], dimension: str | None, side: Side | None
) -> Iterator[tuple[str, Side, Any]]:
    """Every leaf of which it is said what it grades, and whose."""
    if isinstance(value, list):
        if dimension is not None and side is None and len(value) == 2 and not any(map(_nested, value)):
            yield dimension, "A", value[0]
            yield dimension, "B", value[1]
            return
        for item in value:
            if _nested(item):
                yield from _grades(item, names, dimension, side)
    elif isinstance(value, dict):
        dimension = (
            _first(value, _NAME, lambda item: names.get(plain(item)) if isinstance(item, str) else None) or dimension
        )
        for key, item in value.items():
            named, whose = _told(plain(key), names)
            told = named is not None or whose is not None or plain(key) in _GRADE
            if _nested(item) or told:
                yield from _grades(item, names, named or dimension, whose or side)
    elif dimension is not None and side is not None:
        yield dimension, side, value


def _told(key: str, names: Mapping[str, str]) -> tuple[str | None, Side | None]:
    """Which point and which answer a key names: ``accuracy``, ``answer a``, ``accuracy a``, ``a accuracy``."""
    if key in names:
        return names[key], None
    if (side := _side(key)) is not None:
        return None, side
    for plain_name, name in names.items():
        rest = key.removeprefix(f"{plain_name} ") if key.startswith(plain_name) else key.removesuffix(f" {plain_name}")
        if rest != key and (side := _side(rest)) is not None:
            return name, side
    return None, None


def _side(text: str) -> Side | None:
    found = _SIDE.match(text)
    if found is None:
        return None
    return "A" if found[1] == "a" else "B"


def _number(value: Any, points: int) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    number: float
    if isinstance(value, str):
        read = _NUMBER.match(value)
        if read is None:
            return None
        number = float(read[1].replace(",", "."))
        most = 100.0 if read[2] else float(read[3].replace(",", ".")) if read[3] else float(points)
        if most <= 0:
            return None
        number *= points / most
    else:
        number = float(value) if abs(value) < 1e9 else -1.0
    return number if 0 <= number <= points else None


def _winner(value: Any) -> Winner | None:
    if not isinstance(value, str):
        return None
    said = plain(value)
    return "tie" if said in _TIE else _side(said)


def _text(value: Any) -> str | None:
    return value.strip() if isinstance(value, str) else None


def _first(value: Mapping[str, Any], keys: frozenset[str], read: Any) -> Any:
    """What the first of these keys says, None where none says anything."""
    said = (read(item) for key, item in value.items() if plain(key) in keys)
    return next((item for item in said if item is not None), None)


def _nested(value: Any) -> bool:
    return isinstance(value, dict | list)


def plain(name: str) -> str:
    """A key without case and punctuation."""
    return " ".join(re.sub(r"[\W_]+", " ", name.casefold()).split())
