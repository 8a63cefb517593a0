"""What each principle did in a finished run, and what the run would be without it. Pure: no model is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from constitutional.core.constitution import Constitution
from constitutional.core.enforcement import violators
from constitutional.core.records import Judgement, Ruling, Trace
from constitutional.core.ruling import rule

CLEAR = 0.5


@dataclass(slots=True)
class PrincipleStats:
    """Counts over a run; the rates are properties. None where there was nothing to divide by."""

    id: str
    tier: str
    checked: int = 0
    """Sampled answers that were checked, and of these:"""
    violated_before: int = 0
    violated_after: int = 0
    """Of the same answers, those whose final text was last found to violate it."""
    attempts: int = 0
    mended: int = 0
    judged: int = 0
    unread: int = 0
    relevant: int = 0
    """Judgements that took a side."""
    agreed: int = 0
    """Of these, the ones on the side of the ruling."""
    ruled: int = 0
    strength: float = 0.0
    confidence: float = 0.0
    consistent: int = 0
    overruled: Counter[str] = field(default_factory=Counter)
    """Tier that decided the other way → how often."""
    flipped: int = 0
    vanished: int = 0
    appeared: int = 0
    """Rulings that would change side, go, or come if this principle were dropped."""

    @property
    def violation_rate_before(self) -> float | None:
        return _share(self.violated_before, self.checked)

    @property
    def violation_rate_after(self) -> float | None:
        return _share(self.violated_after, self.checked)

    @property
    def revision_success(self) -> float | None:
        return _share(self.mended, self.attempts)

    @property
    def agreement(self) -> float | None:
        return _share(self.agreed, self.ruled)

    @property
    def relevance(self) -> float | None:
        return _share(self.relevant, self.judged)

    @property
    def worth(self) -> float | None:
        """(accuracy − ½) × relevance × 2, with the final ruling as the truth."""
        if self.agreement is None or self.relevance is None:
            return None
        return (self.agreement - 0.5) * self.relevance * 2

    @property
    def decisiveness(self) -> float | None:
        """Mean |2p − 1|."""
        return _share(self.strength, self.judged)

    @property
    def mean_confidence(self) -> float | None:
        return _share(self.confidence, self.judged)

    @property
    def swap_consistency(self) -> float | None:
        return _share(self.consistent, self.judged)


def principle_stats(constitution: Constitution, traces: Iterable[Trace]) -> list[PrincipleStats]:
    """One entry per principle, in the order of the constitution. One pass over the traces."""
    found = {principle.id: PrincipleStats(principle.id, tier.id) for tier, principle in constitution}
    without = {name: drop(constitution, name) for name in found}
    for trace in traces:
        count_checks(found, trace)
        count_revisions(found, trace)
        for ruling in trace.rulings:
            count_verdicts(found, trace, ruling)
            _ablate(found, without, trace, ruling)
    return list(found.values())


def drop(constitution: Constitution, principle_id: str) -> Constitution:
    """The constitution without one principle."""
    tiers = tuple(
        replace(tier, principles=tuple(principle for principle in tier.principles if principle.id != principle_id))
        for tier in constitution.tiers
    )
    return replace(constitution, tiers=tiers)


def rule_again(constitution: Constitution, trace: Trace, ruling: Ruling) -> Ruling:
    """What this constitution says of the same two responses, by the recorded judgements and critiques."""
    responses = {response.id: response for response in trace.responses}
    a, b = responses[ruling.a], responses[ruling.b]
    known = {principle.id for _, principle in constitution}
    judgements = [item for item in judgements_of(trace, ruling) if item.principle_id in known]
    return rule(constitution, trace.prompt.tags, a, b, judgements, violators(constitution, trace.critiques, (a, b)))


def judgements_of(trace: Trace, ruling: Ruling) -> list[Judgement]:
    return [item for item in trace.judgements if (item.a, item.b) == (ruling.a, ruling.b)]


def count_checks(found: Mapping[str, PrincipleStats], trace: Trace) -> None:
    lineage = {response.id: response for response in trace.responses}
    last: dict[tuple[int, str], bool] = {}
    dropped = {response.id for response in trace.responses} - _kept(trace)
    for critique in trace.critiques:
        entry, response = found.get(critique.principle_id), lineage.get(critique.response_id)
        if entry is None or response is None or critique.violates is None or response.id in dropped:
            continue
        if response.round == 0:
            entry.checked += 1
            entry.violated_before += critique.violates
        last[response.sample, critique.principle_id] = critique.violates
    for (_, name), violates in last.items():
        found[name].violated_after += violates


def _kept(trace: Trace) -> set[str]:
    """The sampled answers, and the revisions that took their place."""
    sampled = {response.id for response in trace.responses if response.round == 0}
    return sampled | {revision.revised_id for revision in trace.revisions if revision.revised_id is not None}


def count_revisions(found: Mapping[str, PrincipleStats], trace: Trace) -> None:
    verdicts = {(critique.response_id, critique.principle_id): critique.violates for critique in trace.critiques}
    for revision in trace.revisions:
        entry = found.get(revision.principle_id)
        if entry is not None:
            entry.attempts += 1
            kept = revision.revised_id is not None
            entry.mended += kept and verdicts.get((revision.revised_id or "", revision.principle_id)) is False


def count_verdicts(found: Mapping[str, PrincipleStats], trace: Trace, ruling: Ruling) -> None:
    for judgement in judgements_of(trace, ruling):
        entry = found.get(judgement.principle_id)
        if entry is None:
            continue
        if judgement.p is None:
            entry.unread += 1
            continue
        entry.judged += 1
        entry.strength += abs(2 * judgement.p - 1)
        entry.confidence += max(judgement.p, 1 - judgement.p)
        entry.consistent += bool(judgement.consistent)
        if judgement.p == CLEAR:
            continue
        entry.relevant += 1
        if ruling.p is not None and ruling.p != CLEAR:
            same = (judgement.p > CLEAR) == (ruling.p > CLEAR)
            entry.ruled += 1
            entry.agreed += same
            if not same:
                entry.overruled[ruling.tier_id or ""] += 1


def _ablate(
    found: Mapping[str, PrincipleStats], without: Mapping[str, Constitution], trace: Trace, ruling: Ruling
) -> None:
    involved = {item.principle_id for item in judgements_of(trace, ruling)} | {c.principle_id for c in trace.critiques}
    before = _side(ruling)
    for name in involved & found.keys():
        after = _side(rule_again(without[name], trace, ruling))
        entry = found[name]
        entry.vanished += before != 0 and after == 0
        entry.appeared += before == 0 and after != 0
        entry.flipped += before * after < 0


def _side(ruling: Ruling) -> int:
    """1 for a, -1 for b, 0 for no label."""
    if ruling.p is None or ruling.p == CLEAR:
        return 0
    return 1 if ruling.p > CLEAR else -1


def _share(part: float, whole: int) -> float | None:
    return part / whole if whole else None
