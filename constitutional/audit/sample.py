"""Which pairs of a run people should label: blind, in shuffled order, and in memory of the sample's size."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from statistics import fmean, pstdev
from typing import Literal

from constitutional.audit.pairs import Labelled
from constitutional.audit.runs import pairs_of
from constitutional.core.analysis import judgements_of
from constitutional.core.constitution import Constitution
from constitutional.core.digest import random_for
from constitutional.core.records import Judgement, Ruling, Trace
from constitutional.core.ruling import rule

How = Literal["lowest-margin", "most-disagreement", "random", "stratified"]
STRATA = 5
"""Of confidence, from a tie to certainty."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A comparison of the run, and what is known of it."""

    pair: Labelled
    margin: float
    """|2p − 1| of the judge's own ruling (a veto is not the judge's); 0 where it took no side."""
    disagreement: float
    """Between the two orders, between principles, and between the members of a panel."""


def candidates(trace: Trace, constitution: Constitution) -> Iterator[Candidate]:
    rulings = {(ruling.a, ruling.b): ruling for ruling in trace.rulings}
    for pair in pairs_of(trace):
        ruling = rulings[pair.a.id, pair.b.id]
        judgements = judgements_of(trace, ruling)
        if judgements:
            yield Candidate(pair, _margin(constitution, trace, ruling, judgements), disagreement(judgements))


def disagreement(judgements: Iterable[Judgement]) -> float:
    """The mean distance of the two orders and of a panel's extremes, and the spread of the principles."""
    found = list(judgements)
    swaps = [abs(2 * judged.position_offset) for judged in found if judged.position_offset is not None]
    panels = [judged.disagreement for judged in found if judged.disagreement is not None]
    ps = [judged.p for judged in found if judged.p is not None]
    return (fmean(swaps) if swaps else 0.0) + (fmean(panels) if panels else 0.0) + (pstdev(ps) if ps else 0.0)


def sample(traces: Iterable[Trace], constitution: Constitution, k: int, how: How, seed: int) -> list[Labelled]:
    """At most ``k`` pairs, in an order and with sides that say nothing of the judge. What is drawn depends on the run and
    the seed alone."""
    found = (candidate for trace in traces for candidate in candidates(trace, constitution))
    drawn = _stratified(found, k, seed) if how == "stratified" else _best(found, k, _score(how, seed))
    drawn.sort(key=lambda candidate: random_for(seed, candidate.pair.id, "order").random())
    return [_blind(candidate.pair, how, seed) for candidate in drawn]


def _blind(pair: Labelled, how: How, seed: int) -> Labelled:
    shown = pair.turned() if random_for(seed, pair.id, "side").random() < 0.5 else pair
    return replace(shown, drawn_by=how)


Score = Callable[[Candidate], float]


def _score(how: How, seed: int) -> Score:
    """Higher is drawn first."""
    scores: Mapping[str, Score] = {
        "lowest-margin": lambda candidate: -candidate.margin,
        "most-disagreement": lambda candidate: candidate.disagreement,
        "random": lambda candidate: _chance(candidate, seed),
    }
    return scores[how]


def _chance(candidate: Candidate, seed: int) -> float:
    return random_for(seed, candidate.pair.id, "draw").random()


def _best(found: Iterable[Candidate], k: int, score: Score) -> list[Candidate]:
    kept = _Kept(k, score)
    for candidate in found:
        kept.add(candidate)
    return kept.drawn()


def _stratified(found: Iterable[Candidate], k: int, seed: int) -> list[Candidate]:
    """As many from each stratum of confidence, by chance; what a thin one lacks, the others give."""
    strata = [_Kept(k, lambda candidate: _chance(candidate, seed)) for _ in range(STRATA)]
    for candidate in found:
        strata[min(int(candidate.margin * STRATA), STRATA - 1)].add(candidate)
    lists = [stratum.drawn() for stratum in strata]
    drawn: list[Candidate] = []
    place = 0
    while len(drawn) < k and any(place < len(own) for own in lists):
        drawn += [own[place] for own in lists if place < len(own)]
        place += 1
    return drawn[:k]


class _Kept:
    """The ``k`` candidates with the highest scores; of equal ones, by their ids, so that the order of prompts does not
    matter."""

    def __init__(self, k: int, score: Score) -> None:
        self._k, self._score = k, score
        self._heap: list[tuple[float, str]] = []
        self._known: dict[str, Candidate] = {}

    def add(self, candidate: Candidate) -> None:
        name = candidate.pair.id
        entry = (self._score(candidate), name)
        if name in self._known or (len(self._heap) == self._k and entry <= self._heap[0]):
            return
        self._known[name] = candidate
        if len(self._heap) < self._k:
            heapq.heappush(self._heap, entry)
        else:
            del self._known[heapq.heapreplace(self._heap, entry)[1]]

    def drawn(self) -> list[Candidate]:
        return [self._known[name] for _, name in sorted(self._heap, reverse=True)]


def _margin(constitution: Constitution, trace: Trace, ruling: Ruling, judgements: list[Judgement]) -> float:
    responses = {response.id: response for response in trace.responses}
    own = rule(constitution, trace.prompt.tags, responses[ruling.a], responses[ruling.b], judgements)
    return 0.0 if own.p is None else abs(2 * own.p - 1)
