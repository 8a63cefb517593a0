"""Does a run's data look gamed, or its answers alike? Measured while its traces stream by, in memory that does not grow.

Sums are over everything; correlations and what is said of texts are over at most ``SAMPLE`` comparisons, drawn by the
names of their answers, so that neither order nor interruption matters."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, log, sqrt
from statistics import fmean
from typing import NamedTuple, Protocol

from constitutional.core.digest import digest, pair_id
from constitutional.core.records import Pair, Response, Ruling, Trace
from constitutional.core.refusals import is_refusal
from constitutional.core.stats.ranking import spearman
from constitutional.core.stats.text import ngrams, repeated, words

SAMPLE, LONGEST = 2_000, 4_000
"""Comparisons kept, and characters of each answer."""
OPENING, CLOSING, PHRASE = 4, 6, 4
FEWEST_LABELS = 20
CERTAIN = 0.98


class Thresholds(Protocol):
    """From where on to warn; ``config.run.WatchConfig`` says what each means."""

    @property
    def min_pairs(self) -> int: ...
    @property
    def spread(self) -> float: ...
    @property
    def length_ratio(self) -> float: ...
    @property
    def length_correlation(self) -> float: ...
    @property
    def diversity(self) -> float: ...
    @property
    def repetition(self) -> float: ...
    @property
    def refusals(self) -> float: ...
    @property
    def boilerplate(self) -> float: ...
    @property
    def human_correlation(self) -> float: ...


class Finding(NamedTuple):
    """A measure of a run. ``warning`` says what is odd about it, with its threshold; "" where nothing is."""

    name: str
    value: float | None
    n: int
    words: str
    warning: str = ""


class _Seen(NamedTuple):
    p: float | None
    log_ratio: float
    """Of the lengths of a and b."""
    human: float | None
    chosen: str
    rejected: str
    """Empty where no pair was made."""


@dataclass(slots=True)
class Watch:
    """``human``: the pair's name → the share of people who prefer the text that sorts first."""

    human: Mapping[str, float] = field(default_factory=dict)
    compared: int = 0
    squares: float = 0.0
    certain: int = 0
    pairs: int = 0
    log_ratios: float = 0.0
    refused: Counter[str] = field(default_factory=Counter)
    scored: int = 0
    scores: float = 0.0
    score_squares: float = 0.0
    _heap: list[tuple[str, int]] = field(default_factory=list)
    _kept: dict[int, _Seen] = field(default_factory=dict)
    _serial: int = 0

    def add(self, trace: Trace) -> None:
        responses = {response.id: response for response in trace.responses}
        pairs = {(pair.ruling.a, pair.ruling.b): pair for pair in trace.pairs}
        for score in trace.scores:
            if score.value is not None:
                self.scored += 1
                self.scores += score.value
                self.score_squares += score.value**2
        for ruling in trace.rulings:
            pair = pairs.get((ruling.a, ruling.b))
            a, b = responses[ruling.a], responses[ruling.b]
            self._count(ruling, pair)
            self._keep(trace, ruling, a, b, pair)

    def findings(self, limits: Thresholds) -> list[Finding]:
        """With warnings only where there is enough to judge by."""
        seen = list(self._kept.values())
        found = [
            self._spread(limits),
            Finding(
                "certain verdicts", _share(self.certain, self.compared), self.compared, "share with |2p - 1| over 0.98"
            ),
            self._score_spread(),
            self._length(limits),
            _length_correlation(seen, limits),
            *_of_texts(seen, limits),
            self._refusals(limits),
            _human(seen, limits),
        ]
        if self.compared >= limits.min_pairs:
            return found
        return [finding._replace(warning="") for finding in found]

    def _count(self, ruling: Ruling, pair: Pair | None) -> None:
        if ruling.vetoed_by is None:
            p = 0.5 if ruling.p is None else ruling.p
            self.compared += 1
            self.squares += (p - 0.5) ** 2
            self.certain += abs(2 * p - 1) > CERTAIN
        if pair is not None:
            self.pairs += 1
            self.log_ratios += _log_ratio(pair.chosen.text, pair.rejected.text)
            self.refused.update(chosen=is_refusal(pair.chosen.text), rejected=is_refusal(pair.rejected.text))

    def _keep(self, trace: Trace, ruling: Ruling, a: Response, b: Response, pair: Pair | None) -> None:
        lot = digest([trace.prompt.id, ruling.a, ruling.b])
        # The heap's first is the largest lot that is kept: digits are turned round, as heaps give the smallest.
        entry = (lot.translate(_TURNED), self._serial)
        if len(self._heap) == SAMPLE and entry <= self._heap[0]:
            return
        self._kept[self._serial] = _Seen(
            None if ruling.vetoed_by else ruling.p,
            _log_ratio(a.text, b.text),
            self._human(trace, a, b),
            pair.chosen.text[:LONGEST] if pair else "",
            pair.rejected.text[:LONGEST] if pair else "",
        )
        self._serial += 1
        if len(self._heap) < SAMPLE:
            heapq.heappush(self._heap, entry)
        else:
            del self._kept[heapq.heapreplace(self._heap, entry)[1]]

    def _human(self, trace: Trace, a: Response, b: Response) -> float | None:
        if not self.human:
            return None
        share = self.human.get(pair_id(trace.prompt.messages, a.text, b.text))
        return share if share is None or a.text <= b.text else 1 - share

    def _spread(self, limits: Thresholds) -> Finding:
        name, means = "spread of P", "standard deviation around one half"
        if not self.compared:
            return Finding(name, None, 0, means)
        value = sqrt(self.squares / self.compared)
        warning = (
            f"the judge hardly tells answers apart: P deviates from one half by {value:.3f}, under {limits.spread:g}"
        )
        return Finding(name, value, self.compared, means, warning if value < limits.spread else "")

    def _score_spread(self) -> Finding:
        if not self.scored:
            return Finding("spread of scores", None, 0, "no strategy asked for scores")
        variance = max(0.0, self.score_squares / self.scored - (self.scores / self.scored) ** 2)
        return Finding("spread of scores", sqrt(variance), self.scored, "standard deviation of the scorer's values")

    def _length(self, limits: Thresholds) -> Finding:
        name, means = "length of chosen to rejected", "geometric mean of the ratios, in characters"
        if not self.pairs:
            return Finding(name, None, 0, means)
        ratio = exp(self.log_ratios / self.pairs)
        odd = max(ratio, 1 / ratio) > limits.length_ratio
        which = "longer" if ratio > 1 else "shorter"
        warning = (
            f"chosen answers are {max(ratio, 1 / ratio):.2f} times {which} than rejected, over {limits.length_ratio:g}"
        )
        return Finding(name, ratio, self.pairs, means, warning if odd else "")

    def _refusals(self, limits: Thresholds) -> Finding:
        if not self.pairs:
            return Finding("refusals, chosen", None, 0, "share of chosen answers")
        chosen, rejected = self.refused["chosen"] / self.pairs, self.refused["rejected"] / self.pairs
        warning = (
            f"refusals are {chosen:.0%} of chosen and {rejected:.0%} of rejected answers, {chosen - rejected:.2f} more, "
            f"over {limits.refusals:g}: training on this teaches refusing"
        )
        odd = chosen - rejected > limits.refusals
        return Finding("refusals, chosen", chosen, self.pairs, f"of rejected {rejected:.3f}", warning if odd else "")


_TURNED = str.maketrans("0123456789abcdef", "fedcba9876543210")


def _length_correlation(seen: Sequence[_Seen], limits: Thresholds) -> Finding:
    points = [(one.p, one.log_ratio) for one in seen if one.p is not None]
    value = _together([(p - 0.5, ratio) for p, ratio in points])
    odd = value is not None and abs(value) > limits.length_correlation
    which = "longer" if value is not None and value > 0 else "shorter"
    warning = (
        f"P follows length: the {which} answer wins, rank correlation {value or 0.0:+.2f}, beyond "
        f"{limits.length_correlation:g}"
    )
    return Finding(
        "P and length", value, len(points), "rank correlation with the ratio of lengths", warning if odd else ""
    )


def _together(points: Sequence[tuple[float, float]]) -> float | None:
    """The rank correlation of two numbers that change their sign when a and b are exchanged: each pair counts both ways
    round, as which answer is called a means nothing."""
    both = [(x * way, y * way) for x, y in points for way in (1, -1)]
    return spearman([x for x, _ in both], [y for _, y in both]) if both else None


def _of_texts(seen: Sequence[_Seen], limits: Thresholds) -> list[Finding]:
    pairs = [one for one in seen if one.chosen and one.rejected]
    chosen, rejected = [one.chosen for one in pairs], [one.rejected for one in pairs]
    return [
        _diversity(chosen, rejected, limits),
        _repetition(chosen, rejected, limits),
        _common("opening", chosen, limits.boilerplate),
        _common("closing", chosen, limits.boilerplate),
    ]


def _diversity(chosen: Sequence[str], rejected: Sequence[str], limits: Thresholds) -> Finding:
    """Distinct pairs of words in as much text of either: their share falls with the amount."""
    left, right = ([gram for text in texts for gram in ngrams(text, 2)] for texts in (chosen, rejected))
    amount = min(len(left), len(right))
    name = "word pairs, chosen to rejected"
    if not amount:
        return Finding(name, None, 0, "distinct word pairs in as much text")
    value = len(set(left[:amount])) / len(set(right[:amount]))
    warning = (
        f"chosen answers are less varied: {value:.2f} times rejected's distinct word pairs, under {limits.diversity:g}"
    )
    means = f"distinct word pairs in as much text: {len(set(left[:amount])) / amount:.3f} of all, chosen"
    return Finding(name, value, len(chosen), means, warning if value < limits.diversity else "")


def _repetition(chosen: Sequence[str], rejected: Sequence[str], limits: Thresholds) -> Finding:
    if not chosen:
        return Finding("repetition, chosen", None, 0, "share of word groups said before")
    value, other = (fmean(repeated(text, PHRASE) for text in texts) for texts in (chosen, rejected))
    warning = (
        f"chosen answers repeat themselves: {value:.2f} of their word groups come again, over {limits.repetition:g}"
    )
    odd = value > limits.repetition
    return Finding("repetition, chosen", value, len(chosen), f"of rejected {other:.3f}", warning if odd else "")


def _common(what: str, texts: Sequence[str], limit: float) -> Finding:
    """The most common first or last words."""
    size = OPENING if what == "opening" else CLOSING
    cut = slice(None, size) if what == "opening" else slice(-size, None)
    found = Counter(" ".join(own[cut]) for text in texts if len(own := words(text)) > size)
    name = f"commonest {what}, chosen"
    if not found:
        return Finding(name, None, 0, f"share of chosen answers with one {what}")
    phrase, count = found.most_common(1)[0]
    value = count / len(texts)
    warning = f"{value:.0%} of chosen answers have the same {what}, {phrase!r}, over {limit:g}"
    return Finding(name, value, len(texts), repr(phrase), warning if value > limit else "")


def _human(seen: Sequence[_Seen], limits: Thresholds) -> Finding:
    points = [(one.p - 0.5, one.human - 0.5) for one in seen if one.p is not None and one.human is not None]
    value = _together(points)
    odd = value is not None and len(points) >= FEWEST_LABELS and value < limits.human_correlation
    warning = f"P hardly follows human labels: rank correlation {value or 0.0:+.2f}, under {limits.human_correlation:g}"
    return Finding("P and human labels", value, len(points), "rank correlation", warning if odd else "")


def _log_ratio(one: str, other: str) -> float:
    return log(max(1, len(one)) / max(1, len(other)))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def warnings(findings: Iterable[Finding]) -> list[str]:
    return [finding.warning for finding in findings if finding.warning]
