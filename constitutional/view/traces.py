"""What a trace's page shows, worked out before it is shown: the way of each answer, and each comparison."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from constitutional.core.constitution import Constitution
from constitutional.core.records import Conflict, Critique, Judgement, Pair, Response, Revision, Ruling, Trace
from constitutional.view.diff import Piece, changes


@dataclass(frozen=True, slots=True)
class Step:
    """One attempt to repair an answer, and what the critic says of the result."""

    revision: Revision
    made: Response | None
    changed: list[Piece]
    critiques: list[Critique]


@dataclass(frozen=True, slots=True)
class Way:
    """A sampled answer, and where revision took it."""

    answer: Response
    critiques: list[Critique]
    steps: list[Step]
    unresolved: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """``p`` and the two readings are P(the answer on the left is better)."""

    tier: str
    judgement: Judgement
    p: float | None
    first: float | None
    second: float | None
    decided: bool


@dataclass(frozen=True, slots=True)
class Opinion:
    tier: str
    p: float
    decided: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """``left`` is the chosen answer where there is a pair, else the ruling's a."""

    left: Response
    right: Response
    pair: Pair | None
    n: int
    """Which pair of its prompt; -1: none."""
    ruling: Ruling
    p: float | None
    verdicts: list[Verdict]
    opinions: list[Opinion]
    conflicts: list[Conflict]
    changed: list[Piece]
    """From the right answer to the left."""


def ways(trace: Trace) -> Iterator[Way]:
    critiques: dict[str, list[Critique]] = {}
    for critique in trace.critiques:
        critiques.setdefault(critique.response_id, []).append(critique)
    by_id = {response.id: response for response in trace.responses}
    for answer in trace.responses:
        if answer.round:
            continue
        family = {one.id for one in trace.responses if one.sample == answer.sample}
        steps, last = [], answer.id
        for revision in trace.revisions:
            if revision.response_id in family:
                made = by_id.get(revision.revised_id or f"{answer.id}r{revision.round}")
                before = by_id[revision.response_id]
                changed = changes(before.text, made.text) if made else []
                last = revision.revised_id or last
                steps.append(Step(revision, made, changed, critiques.get(made.id, []) if made else []))
        yield Way(answer, critiques.get(answer.id, []), steps, last in trace.unresolved)


def comparisons(trace: Trace, constitution: Constitution) -> list[Comparison]:
    """Every ruling, those that became pairs first."""
    responses = {response.id: response for response in trace.responses}
    pairs = {(pair.ruling.a, pair.ruling.b): (n, pair) for n, pair in enumerate(trace.pairs)}
    tiers = {principle.id: tier.id for tier, principle in constitution}
    found = []
    for ruling in trace.rulings:
        n, pair = pairs.get((ruling.a, ruling.b), (-1, None))
        turned = pair is not None and pair.chosen.id != ruling.a
        left, right = responses[ruling.a], responses[ruling.b]
        if pair is not None:
            left, right = pair.chosen, pair.rejected
        found.append(
            Comparison(
                left,
                right,
                pair,
                n,
                ruling,
                _turn(ruling.p, turned),
                [_verdict(one, tiers, ruling, turned) for one in trace.judgements if (one.a, one.b) == (ruling.a, ruling.b)],
                [Opinion(tier, _turn(p, turned) or 0.0, tier == ruling.tier_id) for tier, p in ruling.per_tier],
                [Conflict(c.overruled, _turn(c.overruled_p, turned) or 0.0, c.by, _turn(c.by_p, turned) or 0.0)
                 for c in ruling.conflicts],
                changes(right.text, left.text),
            )
        )  # fmt: skip
    return sorted(found, key=lambda one: (one.pair is None, one.n))


def _verdict(judgement: Judgement, tiers: dict[str, str], ruling: Ruling, turned: bool) -> Verdict:
    tier = tiers.get(judgement.principle_id, "")
    return Verdict(
        tier,
        judgement,
        _turn(judgement.p, turned),
        _turn(judgement.p_ab, turned),
        _turn(judgement.p_ba, turned),
        bool(tier) and tier == ruling.tier_id and ruling.vetoed_by is None,
    )


def _turn(p: float | None, turned: bool) -> float | None:
    return 1 - p if turned and p is not None else p
