"""What a run's traces are counted to while they stream by: memory does not grow with their number."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from constitutional.core.analysis import (
    PrincipleStats,
    count_checks,
    count_revisions,
    count_verdicts,
    judgements_of,
)
from constitutional.core.constitution import Constitution
from constitutional.core.records import Reason, Trace
from constitutional.core.watch import Watch
from constitutional.dataset.tally import Tally
from constitutional.plots.flow import Node

CLASSES = 20
"""Of probabilities and of margins."""
OFFSETS = 21
"""Classes of how far the first place is favoured, -½ to ½."""
MOST_REASONS = 7


@dataclass(slots=True)
class Survey:
    constitution: Constitution
    tally: Tally = field(default_factory=lambda: Tally(watch=Watch()))
    principles: dict[str, PrincipleStats] = field(default_factory=dict)
    p_chosen: Counter[int] = field(default_factory=Counter)
    margins: Counter[int] = field(default_factory=Counter)
    rounds: Counter[int] = field(default_factory=Counter)
    """Rounds that an answer was revised → answers; of those that were checked at all."""
    unresolved: int = 0
    both: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(principle, principle) → comparisons on which both took a side, and of these, opposite ones:"""
    against: Counter[tuple[str, str]] = field(default_factory=Counter)
    offsets: dict[str, Counter[int]] = field(default_factory=dict)
    """Principle → class of the offset of the first place → verdicts."""
    paths: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(step, next step or end) → prompts."""
    ends: Counter[str] = field(default_factory=Counter)
    """Why a prompt gave no pair: the first reason that is not one of a revision."""

    def __post_init__(self) -> None:
        self.principles = {principle.id: PrincipleStats(principle.id, tier.id) for tier, principle in self.constitution}

    def add(self, trace: Trace) -> None:
        self.tally.add(trace)
        count_checks(self.principles, trace)
        count_revisions(self.principles, trace)
        self.unresolved += len(trace.unresolved)
        self._add_rounds(trace)
        for ruling in trace.rulings:
            count_verdicts(self.principles, trace, ruling)
            self._add_sides({one.principle_id: one.p for one in judgements_of(trace, ruling) if one.p is not None})
        for judgement in trace.judgements:
            if judgement.position_offset is not None:
                place = _class(judgement.position_offset + 0.5, OFFSETS)
                self.offsets.setdefault(judgement.principle_id, Counter())[place] += 1
        for pair in trace.pairs:
            self.p_chosen[_class((pair.p_chosen - 0.5) * 2, CLASSES)] += 1
            self.margins[_class(pair.margin, CLASSES)] += 1
        self._add_path(trace)

    def bad_row(self, reason: str, failure: bool) -> None:
        self.tally.bad_row(reason, failure)
        self.paths[LINES, _words(reason)] += 1

    def _add_rounds(self, trace: Trace) -> None:
        if not trace.critiques:
            return
        kept = {item.revised_id for item in trace.revisions if item.revised_id is not None}
        last: dict[int, int] = {}
        for response in trace.responses:
            if response.round == 0 or response.id in kept:
                last[response.sample] = max(last.get(response.sample, 0), response.round)
        self.rounds.update(last.values())

    def _add_sides(self, said: dict[str, float]) -> None:
        sides = [(name, p > 0.5) for name, p in said.items() if p != 0.5]
        for place, (one, side) in enumerate(sides):
            for other, its in sides[place + 1 :]:
                for key in ((one, other), (other, one)):
                    self.both[key] += 1
                    self.against[key] += side != its

    def _add_path(self, trace: Trace) -> None:
        reason = next((one.reason for one in trace.rejects if one.reason not in Reason.OF_REVISIONS), None)
        end = PAIR if trace.pairs else _words(reason or next((one.reason for one in trace.rejects), "no pair"))
        if not trace.pairs:
            self.ends[end] += 1
        steps = [LINES, "prompts"]
        if trace.responses:
            steps.append("answered")
            if trace.critiques:
                revised = any(item.revised_id is not None for item in trace.revisions)
                steps.append("revised" if revised else "left as it was")
            steps.append("compared" if trace.rulings else "not compared")
        steps.append(end)
        self.paths.update(itertools.pairwise(steps))

    def flows(self) -> dict[tuple[Node, Node], int]:
        """Every end in the last column, the rarest as one; what never happened has no column."""
        kept = {name for name, _ in self.ends.most_common(MOST_REASONS)} | {PAIR}
        names = {name for link in self.paths for name in link}
        columns = [column for column in COLUMNS if names & set(column)]
        found: Counter[tuple[Node, Node]] = Counter()
        for (start, end), count in self.paths.items():
            shown = end if end in STEPS or end in kept or start == LINES else "other reasons"
            found[_node(start, start, columns), _node(shown, start, columns)] += count
        return dict(sorted(found.items(), key=lambda item: _order(item[0])))


LINES, PAIR = "lines read", "pair"
COLUMNS = (
    (LINES,),
    ("prompts",),
    ("answered",),
    ("revised", "left as it was"),
    ("compared", "not compared"),
)
STEPS = tuple(name for column in COLUMNS for name in column)


def _node(name: str, after: str, columns: Sequence[tuple[str, ...]]) -> Node:
    place = next((place for place, names in enumerate(columns) if name in names), len(columns))
    return (1 if after == LINES and name != LINES else place), name


def _order(link: tuple[Node, Node]) -> tuple[int, int, int, str]:
    """Pairs first, and what went on before what did not."""
    (start, _), (end, name) = link
    rank = STEPS.index(name) if name in STEPS else len(STEPS) + (name != PAIR)
    return start, end, rank, name


def _class(share: float, classes: int) -> int:
    return min(max(int(share * classes), 0), classes - 1)


def _words(reason: str) -> str:
    return reason.replace("_", " ")
