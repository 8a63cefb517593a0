"""How far raters agree, and how far beyond chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from math import fsum
from typing import Any, Literal

Weights = Literal["linear", "quadratic"]
Level = Literal["nominal", "ordinal", "interval", "ratio"]


def cohen_kappa(
    a: Sequence[Hashable],
    b: Sequence[Hashable],
    weights: Weights | None = None,
    categories: Sequence[Hashable] | None = None,
) -> float | None:
    """Agreement of two raters beyond that of raters who draw from the same labels at random. Weights make a near miss
    smaller than a far one; ``categories`` then gives their order (default: sorted). None where chance alone agrees
    wholly: no items, or both always say the same one thing."""
    pairs = Counter(zip(a, b, strict=True))
    distance = _distance(weights, _order(set(a) | set(b), categories, weights is not None))
    left_counts, right_counts = Counter(a), Counter(b)
    observed = fsum(count * distance(left, right) for (left, right), count in pairs.items())
    expected = fsum(
        left_count * right_count * distance(left, right)
        for left, left_count in left_counts.items()
        for right, right_count in right_counts.items()
    )
    return 1 - observed * len(a) / expected if expected else None


def krippendorff_alpha(units: Iterable[Mapping[str, Any]], level: Level = "nominal") -> float | None:
    """Each unit maps rater → value; a rater may be absent from it (or None), and a unit with fewer than two values says
    nothing. Ordinal values must sort, interval and ratio values be numbers, ratios not negative. None where nothing can
    disagree: no unit with two values, or one value all over."""
    disagreement = DISAGREEMENT[level]
    paired = [counts for counts in map(_values, units) if counts.total() > 1]
    everything: Counter[Any] = Counter()
    for counts in paired:
        everything.update(counts)
    if len(everything) < 2:
        return None
    if level == "ordinal":
        places = _middle_places(everything)
        paired = [Counter({places[value]: count for value, count in counts.items()}) for counts in paired]
        everything = Counter({places[value]: count for value, count in everything.items()})
    observed = fsum(disagreement(counts) / (counts.total() - 1) for counts in paired)
    expected = disagreement(everything) / (everything.total() - 1)
    return 1 - observed / expected if expected else None


def _nominal(counts: Counter[Any]) -> float:
    return counts.total() ** 2 - sum(count * count for count in counts.values())


def _interval(counts: Counter[Any]) -> float:
    """Σ nᵢ nⱼ (i − j)², which is 2n Σ nᵢ (i − mean)²."""
    total = counts.total()
    mean = fsum(value * count for value, count in counts.items()) / total
    return 2 * total * fsum(count * (value - mean) ** 2 for value, count in counts.items())


def _ratio(counts: Counter[Any]) -> float:
    return fsum(
        n * m * ((value - other) / (value + other)) ** 2
        for value, n in counts.items()
        for other, m in counts.items()
        if value != other
    )


DISAGREEMENT: Mapping[Level, Callable[[Counter[Any]], float]] = {
    "nominal": _nominal,
    "ordinal": _interval,
    "interval": _interval,
    "ratio": _ratio,
}
"""The squared differences of all ordered pairs of values, by the values' counts. Krippendorff's ordinal difference of two
values, the values between them and half of each of them, is the interval between their middle places in sorted order."""


def _values(unit: Mapping[str, Any]) -> Counter[Any]:
    return Counter(value for value in unit.values() if value is not None)


def _middle_places(counts: Counter[Any]) -> dict[Any, float]:
    places, below = {}, 0
    for value in sorted(counts):
        places[value] = below + counts[value] / 2
        below += counts[value]
    return places


def _order(used: set[Hashable], categories: Sequence[Hashable] | None, needed: bool) -> Mapping[Hashable, int]:
    """Label → its place. Labels that do not sort need categories only where an order is needed."""
    if categories is None:
        known: list[Any] = list(used)
        return {value: place for place, value in enumerate(sorted(known))} if needed else {}
    places = {value: place for place, value in enumerate(categories)}
    if unknown := used - places.keys():
        raise ValueError(f"labels outside the categories: {', '.join(sorted(map(repr, unknown)))}")
    return places


def _distance(weights: Weights | None, places: Mapping[Hashable, int]) -> Callable[[Hashable, Hashable], float]:
    if weights is None:
        return lambda left, right: left != right
    power = 1 if weights == "linear" else 2
    return lambda left, right: abs(places[left] - places[right]) ** power
