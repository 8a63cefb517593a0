"""How long the answers are: as a plot beside the card, and as numbers in it."""

from __future__ import annotations

from collections import Counter

from constitutional.dataset.tally import CHARACTERS, Tally
from constitutional.plots.charts import Series, lines
from constitutional.plots.page import svg_file

PLOT = "lengths.svg"
CLASSES = 24
QUANTILES = ((0.1, "a tenth are shorter than"), (0.5, "half are shorter than"), (0.9, "nine tenths are shorter than"))


def length_rows(tally: Tally) -> list[tuple[str, str, str]]:
    """What, chosen, rejected. Quantiles are as exact as the classes of length."""
    if not tally.pairs:
        return []
    means = [f"{total[0] / tally.pairs:.0f}" for total in tally.characters]
    rows = [("mean", means[0], means[1])]
    for part, words in QUANTILES:
        chosen, rejected = (f"{_quantile(classes, part):,}" for classes in tally.lengths)
        rows.append((words, chosen, rejected))
    return rows


def length_plot(tally: Tally) -> str | None:
    if not tally.pairs:
        return None
    title = "How long chosen and rejected answers are"
    series = length_series(tally)
    return svg_file(lines(title, series, x_title="characters", y_title="share of answers", around=(0.0,)))


def length_series(tally: Tally) -> list[Series]:
    """Of all but the longest hundredth, which would make the rest a line at the edge."""
    longest = max(_quantile(classes, 0.99) for classes in tally.lengths)
    width = max(CHARACTERS, -(-longest // (CLASSES * CHARACTERS)) * CHARACTERS)
    return [
        Series(name, _points(classes, width, longest, tally.pairs))
        for name, classes in zip(("chosen", "rejected"), tally.lengths, strict=True)
    ]


def _points(classes: Counter[int], width: int, longest: int, whole: int) -> list[tuple[float, float]]:
    wide: Counter[int] = Counter()
    for place, count in classes.items():
        wide[place * CHARACTERS // width] += count
    return [((place + 0.5) * width, wide[place] / whole) for place in range(-(-longest // width))]


def _quantile(classes: Counter[int], part: float) -> int:
    """The upper end of the class in which it lies."""
    reached, wanted = 0, part * sum(classes.values())
    for place in sorted(classes):
        reached += classes[place]
        if reached >= wanted:
            return (place + 1) * CHARACTERS
    return 0
