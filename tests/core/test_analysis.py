"""Statistics and ablation against a recomputation that is written another way."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constitutional.core.analysis import PrincipleStats, principle_stats, rule_again
from constitutional.core.constitution import Constitution, Principle, Tier
from constitutional.core.enforcement import violators
from constitutional.core.records import Critique, Judgement, Message, Prompt, Response, Revision, Ruling, Trace
from constitutional.core.ruling import rule

RULES = Constitution(
    "rules",
    "1",
    (
        Tier("hard", "hard", (Principle("h1", "x"), Principle("h2", "x"))),
        Tier("strong", "strong", (Principle("s1", "x", weight=2.0), Principle("s2", "x")), 0.1),
        Tier("soft", "soft", (Principle("o1", "x"),)),
    ),
)
NAMES = [principle.id for _, principle in RULES]


def random_trace(seed: int) -> Trace:
    """One answer, its revision, random verdicts on both, random judgements between them."""
    chance = random.Random(seed)
    first = Response("p.0", "p", "first", "m", 0, "")
    second = Response("p.0r1", "p", "second", "m", 0, "", round=1, parent="p.0")
    critiques = [
        Critique(response.id, name, chance.choice((True, False, False, None)))
        for response in (first, second)
        for name in NAMES
        if chance.random() < 0.9
    ]
    judgements = []
    for name in NAMES:
        p = chance.choice((None, 0.5, chance.random(), chance.random()))
        judgements.append(Judgement.of(second, first, name, p, p if chance.random() < 0.5 else chance.random(), "m"))
    trace = Trace(
        Prompt("p", (Message("user", "q"),)),
        (first, second),
        tuple(critiques),
        (Revision("p.0", "p.0r1", chance.choice(NAMES), 1, ""),),
        judgements=tuple(judgements),
    )
    hard = violators(RULES, trace.critiques, trace.responses)
    return replace(trace, rulings=(rule(RULES, (), second, first, judgements, hard),))


def plain_side(trace: Trace, names: list[str]) -> int:
    """The ruling by these principles, from the words of the design alone: 1 for the revision, -1 for the first."""
    bad = {
        response: any(
            critique.violates
            for critique in trace.critiques
            if critique.response_id == response and critique.principle_id in names and critique.principle_id[0] == "h"
        )
        for response in ("p.0", "p.0r1")
    }
    if bad["p.0"] != bad["p.0r1"]:
        return 1 if bad["p.0"] else -1
    p = {j.principle_id: j.p for j in trace.judgements if j.p is not None and j.principle_id in names}
    for prefix, tolerance in (("h", 0.0), ("s", 0.1), ("o", 0.0)):
        weighted = [(2.0 if name == "s1" else 1.0, p[name]) for name in p if name[0] == prefix]
        if weighted:
            mean = sum(w * value for w, value in weighted) / sum(w for w, _ in weighted)
            if abs(mean - 0.5) > tolerance + 1e-9:
                return 1 if mean > 0.5 else -1
    return 0


def side(ruling: Ruling) -> int:
    return 0 if ruling.p is None or ruling.p == 0.5 else 1 if ruling.p > 0.5 else -1


@settings(max_examples=300)
@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=8))
def test_everything_equals_a_plain_recomputation(seeds: list[int]) -> None:
    traces = [random_trace(seed) for seed in seeds]
    stats = {entry.id: entry for entry in principle_stats(RULES, traces)}
    assert list(stats) == NAMES
    for name in NAMES:
        others = [other for other in NAMES if other != name]
        before = [plain_side(trace, NAMES) for trace in traces]
        after = [plain_side(trace, others) for trace in traces]
        entry = stats[name]
        assert entry.flipped == sum(b * a < 0 for b, a in zip(before, after, strict=True))
        assert entry.vanished == sum(b != 0 and a == 0 for b, a in zip(before, after, strict=True))
        assert entry.appeared == sum(b == 0 and a != 0 for b, a in zip(before, after, strict=True))
        opinions = [
            (j.p, s) for t, s in zip(traces, before, strict=True) for j in t.judgements if j.principle_id == name
        ]
        read = [(p, s) for p, s in opinions if p is not None]
        clear = [((1 if p > 0.5 else -1), s) for p, s in read if p != 0.5]
        assert (entry.judged, entry.unread) == (len(read), len(opinions) - len(read))
        assert entry.decisiveness == (pytest.approx(sum(abs(2 * p - 1) for p, _ in read) / len(read)) if read else None)
        assert entry.agreed == sum(p == s for p, s in clear)
        assert sum(entry.overruled.values()) == sum(p == -s for p, s in clear if s)
        initial = [c for t in traces for c in t.critiques if (c.response_id, c.principle_id) == ("p.0", name)]
        assert entry.checked == sum(c.violates is not None for c in initial)
        assert entry.violated_before == sum(bool(c.violates) for c in initial)
        assert entry.attempts == sum(r.principle_id == name for t in traces for r in t.revisions)


@given(st.integers(0, 10**9))
def test_ruling_again_by_the_same_constitution_changes_nothing(seed: int) -> None:
    trace = random_trace(seed)
    assert rule_again(RULES, trace, trace.rulings[0]) == trace.rulings[0]


def test_the_worth_of_a_principle() -> None:
    entry = PrincipleStats("x", "t", judged=10, relevant=8, ruled=8, agreed=6)
    assert entry.worth == pytest.approx((6 / 8 - 0.5) * (8 / 10) * 2)
    assert PrincipleStats("x", "t").worth is None


def test_a_violation_is_gone_when_the_kept_revision_is_found_clean() -> None:
    trace = replace(
        random_trace(1),
        critiques=(Critique("p.0", "s1", True), Critique("p.0r1", "s1", False)),
        revisions=(Revision("p.0", "p.0r1", "s1", 1, ""),),
    )
    (entry,) = (entry for entry in principle_stats(RULES, [trace]) if entry.id == "s1")
    assert (entry.violated_before, entry.violated_after, entry.revision_success) == (1, 0, 1.0)


def test_a_dropped_revision_leaves_the_violation() -> None:
    trace = replace(
        random_trace(1),
        critiques=(Critique("p.0", "s1", True), Critique("p.0r1", "s1", False)),
        revisions=(Revision("p.0", None, "s1", 1, "", "broke_a_higher_tier"),),
    )
    (entry,) = (entry for entry in principle_stats(RULES, [trace]) if entry.id == "s1")
    assert (entry.violated_before, entry.violated_after, entry.revision_success) == (1, 1, 0.0)
