"""The numbers of the card, counted while the rows are written: memory that does not grow with them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from constitutional.core.records import Trace
from constitutional.core.watch import Watch

CHARACTERS = 25
"""Width of a class of lengths."""
MARGINS = 10
"""Classes of margins, 0 to 1."""


@dataclass(slots=True)
class Tally:
    prompts: int = 0
    responses: int = 0
    critiques: int = 0
    revised: int = 0
    pairs: int = 0
    paired: int = 0
    """Prompts with a pair."""
    p_chosen: float = 0.0
    margin: float = 0.0
    longer: int = 0
    """Pairs whose chosen answer is the longer one."""
    characters: tuple[list[int], list[int]] = field(default_factory=lambda: ([0], [0]))
    """Of all chosen and of all rejected answers."""
    lengths: tuple[Counter[int], Counter[int]] = field(default_factory=lambda: (Counter(), Counter()))
    """Chosen and rejected: class of length → answers."""
    margins: Counter[int] = field(default_factory=Counter)
    vetoes: int = 0
    conflicts: int = 0
    collisions: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(tier that was overruled, tier that overruled it) → pairs."""
    rejects: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    """Those of the rejects that went wrong."""
    tiers: Counter[str] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)
    strategies: Counter[str] = field(default_factory=Counter)
    checked: Counter[str] = field(default_factory=Counter)
    violated: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)
    judged: Counter[str] = field(default_factory=Counter)
    """Principle → verdicts on pairs of answers that could be read; of these, those that kept their side when the order
    was swapped:"""
    consistent: Counter[str] = field(default_factory=Counter)
    watch: Watch = field(default_factory=Watch)

    def add(self, trace: Trace) -> None:
        self.watch.add(trace)
        self.prompts += 1
        self.paired += bool(trace.pairs)
        self.critiques += len(trace.critiques)
        initial = {response.id for response in trace.responses if response.round == 0}
        self.responses += len(initial)
        self.revised += len(trace.responses) - len(initial)
        for reject in trace.rejects:
            self.bad_row(reject.reason, reject.failure)
        for critique in trace.critiques:
            if critique.response_id in initial:
                self.checked[critique.principle_id] += 1
                self.violated[critique.principle_id] += bool(critique.violates)
                self.unread[critique.principle_id] += critique.violates is None
        for judgement in trace.judgements:
            if judgement.p is not None:
                self.judged[judgement.principle_id] += 1
                self.consistent[judgement.principle_id] += bool(judgement.consistent)
        self._add_pairs(trace)

    def _add_pairs(self, trace: Trace) -> None:
        for pair in trace.pairs:
            lengths = len(pair.chosen.text), len(pair.rejected.text)
            for total, classes, length in zip(self.characters, self.lengths, lengths, strict=True):
                total[0] += length
                classes[length // CHARACTERS] += 1
            self.pairs += 1
            self.p_chosen += pair.p_chosen
            self.margin += pair.margin
            self.longer += lengths[0] > lengths[1]
            self.margins[min(int(pair.margin * MARGINS), MARGINS - 1)] += 1
            self.vetoes += pair.ruling.vetoed_by is not None
            self.conflicts += bool(pair.ruling.conflicts)
            self.collisions.update({(conflict.overruled, conflict.by) for conflict in pair.ruling.conflicts})
            self.tiers[pair.ruling.tier_id or "none"] += 1
            self.methods[pair.judge_method] += 1
            self.strategies[pair.strategy] += 1

    def bad_row(self, reason: str, failure: bool) -> None:
        self.rejects[reason] += 1
        self.failures[reason] += failure
