from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from constitutional.core.constitution import Constitution, Force, Principle, Tier
from constitutional.core.grading import scalar
from constitutional.core.records import Conflict, Judgement, Response, Ruling, Score, TierOpinion
from constitutional.core.ruling import NO_VERDICT, TIED, rule

A, B = (Response(name, "p", f"answer {name}", "m", 0, "") for name in ("a", "b"))
FORCES: tuple[Force, ...] = ("hard", "strong", "soft")
HALF = Fraction(1, 2)
many = settings(max_examples=1000, deadline=None)


@dataclass(frozen=True)
class Case:
    """A constitution, what the judge said per principle (None: nothing readable), and which hard tier who violates."""

    tiers: tuple[Tier, ...]
    verdicts: dict[str, float | None]
    violators: Mapping[str, str] = field(default_factory=dict)

    def ruling(self) -> Ruling:
        judgements = [judgement(A, B, name, p) for name, p in self.verdicts.items()]
        return rule(Constitution("c", "1", self.tiers), (), A, B, judgements, self.violators)

    def swapped(self) -> Ruling:
        judgements = [judgement(B, A, name, None if p is None else 1 - p) for name, p in self.verdicts.items()]
        return rule(Constitution("c", "1", self.tiers), (), B, A, judgements, self.violators)

    @property
    def places(self) -> dict[str | None, int]:
        return {tier.id: number for number, tier in enumerate(self.tiers)}


def judgement(a: Response, b: Response, principle: str, p: float | None) -> Judgement:
    return Judgement(a.id, b.id, principle, p, p, p, None if p is None else True, "logprobs")


def twentieths(first: int, last: int) -> st.SearchStrategy[float]:
    """Round decimals, as people write them: they hit the tolerances exactly, where rounding shows."""
    return st.integers(first, last).map(lambda n: n / 20)


@st.composite
def cases(draw: st.DrawFn, violators: bool = False) -> Case:
    tiers, verdicts = [], {}
    for number in range(draw(st.integers(1, 4))):
        principles = tuple(
            Principle(f"p{number}.{n}", "…", weight=draw(st.sampled_from([0.1, 0.3, 0.5, 1.0, 2.0, 7.0])))
            for n in range(draw(st.integers(1, 3)))
        )
        force: Force = draw(st.sampled_from(FORCES))
        tiers.append(Tier(f"t{number}", force, principles, draw(twentieths(0, 9))))
        for principle in principles:
            if draw(st.booleans()) or draw(st.booleans()):
                verdicts[principle.id] = draw(st.none() | twentieths(0, 20))
    broken = draw(st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(tiers))) if violators else {}
    return Case(tuple(tiers), verdicts, {name: tier.id for name, tier in broken.items()})


def direction(ruling: Ruling) -> int:
    """1: a is better; -1: b is; 0: nobody says."""
    return 0 if ruling.p is None else (ruling.p > 0.5) - (ruling.p < 0.5)


def exact(case: Case) -> tuple[list[tuple[Tier, Fraction]], list[tuple[Tier, Fraction]]]:
    """Each tier's opinion, and those that are no tie, in exact arithmetic."""
    opinions = []
    for tier in case.tiers:
        read = [
            (Fraction(str(principle.weight)), Fraction(str(verdict)))
            for principle in tier.principles
            if (verdict := case.verdicts.get(principle.id)) is not None
        ]
        if read:
            opinions.append((tier, sum((w * p for w, p in read), Fraction(0)) / sum(w for w, _ in read)))
    return opinions, [(tier, p) for tier, p in opinions if abs(p - HALF) > Fraction(str(tier.tolerance))]


@many
@given(cases())
def test_the_highest_tier_that_is_no_tie_decides(case: Case) -> None:
    opinions, clear = exact(case)
    ruling = case.ruling()
    assert [opinion.tier_id for opinion in ruling.per_tier] == [tier.id for tier, _ in opinions]
    assert [opinion.p for opinion in ruling.per_tier] == pytest.approx([float(p) for _, p in opinions])
    if clear:
        assert (ruling.tier_id, ruling.abstained_because) == (clear[0][0].id, None)
        assert ruling.p == pytest.approx(float(clear[0][1]))
    else:
        assert (ruling.p, ruling.tier_id) == (None, None)
        assert ruling.abstained_because == (TIED if opinions else NO_VERDICT)


@many
@given(cases())
def test_a_conflict_is_recorded_exactly_where_a_lower_tier_clearly_prefers_the_other(case: Case) -> None:
    _, clear = exact(case)
    overruled = [tier.id for tier, p in clear[1:] if (p - HALF) * (clear[0][1] - HALF) < 0]
    ruling = case.ruling()
    assert [conflict.overruled for conflict in ruling.conflicts] == overruled
    assert all((conflict.by, conflict.by_p) == (ruling.tier_id, ruling.p) for conflict in ruling.conflicts)


@many
@given(cases(violators=True))
def test_swapping_the_answers_flips_the_ruling(case: Case) -> None:
    ruling, swapped = case.ruling(), case.swapped()
    assert (swapped.a, swapped.b) == (ruling.b, ruling.a)
    assert swapped.tier_id == ruling.tier_id
    assert (swapped.vetoed_by, swapped.abstained_because) == (ruling.vetoed_by, ruling.abstained_because)
    assert direction(swapped) == -direction(ruling)
    if ruling.p is not None:
        assert swapped.p == pytest.approx(1 - ruling.p)
    assert [(c.overruled, c.by) for c in swapped.conflicts] == [(c.overruled, c.by) for c in ruling.conflicts]


@many
@given(cases(), st.data())
def test_more_evidence_in_a_higher_tier_never_lets_a_lower_one_win(case: Case, data: st.DataObject) -> None:
    judged = [tier for tier in case.tiers if any(case.verdicts.get(p.id) is not None for p in tier.principles)]
    assume(judged)
    tier = data.draw(st.sampled_from(judged))
    certain: dict[str, float | None] = {p.id: 1.0 for p in tier.principles if case.verdicts.get(p.id) is not None}
    ruling = replace(case, verdicts=case.verdicts | certain).ruling()
    assert case.places[ruling.tier_id] <= case.places[tier.id]
    if ruling.tier_id == tier.id:
        assert ruling.p == pytest.approx(1.0)


@many
@given(cases(), st.data())
def test_a_better_verdict_under_any_principle_is_never_to_an_answers_harm(case: Case, data: st.DataObject) -> None:
    given_ps = {name: p for name, p in case.verdicts.items() if p is not None}
    assume(given_ps)
    name = data.draw(st.sampled_from(sorted(given_ps)))
    better = data.draw(twentieths(round(given_ps[name] * 20), 20))
    assert direction(replace(case, verdicts=case.verdicts | {name: better}).ruling()) >= direction(case.ruling())


@many
@given(cases(), st.integers(0, 3), st.sampled_from([0.01, 0.3, 3.0, 1000.0]))
def test_scaling_all_weights_of_a_tier_changes_nothing(case: Case, number: int, factor: float) -> None:
    tiers = tuple(
        replace(tier, principles=tuple(replace(p, weight=p.weight * factor) for p in tier.principles))
        if n == number % len(case.tiers)
        else tier
        for n, tier in enumerate(case.tiers)
    )
    before, after = case.ruling(), replace(case, tiers=tiers).ruling()
    assert (after.tier_id, after.abstained_because) == (before.tier_id, before.abstained_because)
    assert after.p == (None if before.p is None else pytest.approx(before.p))
    assert [c.overruled for c in after.conflicts] == [c.overruled for c in before.conflicts]


@many
@given(cases(violators=True), st.data())
def test_a_hard_violator_never_wins_against_one_that_is_none(case: Case, data: st.DataObject) -> None:
    only = data.draw(st.sampled_from(["a", "b"]))
    ruling = replace(case, violators={only: "t0", "somebody else": "t1"}).ruling()
    assert ruling.p == (0.0 if only == "a" else 1.0)
    assert (ruling.tier_id, ruling.vetoed_by) == ("t0", "t0")
    assert ruling.conflicts == ()


@many
@given(cases())
def test_two_violators_are_ruled_upon_as_if_neither_were_one(case: Case) -> None:
    assert replace(case, violators={"a": "t0", "b": "t1"}).ruling() == case.ruling()


@many
@given(cases(violators=True), st.data())
def test_a_principle_without_a_judgement_changes_nothing(case: Case, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(case.tiers) - 1))
    silent = Principle("silent", "…", weight=5.0)
    at = data.draw(st.integers(0, len(case.tiers[place].principles)))
    grown = (*case.tiers[place].principles[:at], silent, *case.tiers[place].principles[at:])
    tiers = (*case.tiers[:place], replace(case.tiers[place], principles=grown), *case.tiers[place + 1 :])
    assert replace(case, tiers=tiers).ruling() == case.ruling()
    alone = Tier("alone", "soft", (silent,), 0.0)
    assert replace(case, tiers=(*case.tiers[:place], alone, *case.tiers[place:])).ruling() == case.ruling()


@many
@given(cases(violators=True), st.data())
def test_the_order_of_the_judgements_does_not_matter(case: Case, data: st.DataObject) -> None:
    shuffled = dict(data.draw(st.permutations(sorted(case.verdicts.items()))))
    assert replace(case, verdicts=shuffled).ruling() == case.ruling()


def two_tiers(high: float, low: float, tolerance: float = 0.1) -> Ruling:
    tiers = (
        Tier("high", "strong", (Principle("h", "…"),), tolerance),
        Tier("low", "soft", (Principle("l", "…"),), 0.0),
    )
    return Case(tiers, {"h": high, "l": low}).ruling()


def test_a_tie_within_the_tolerance_goes_to_the_next_tier() -> None:
    assert two_tiers(0.55, 0.2).tier_id == "low"
    ruling = two_tiers(0.65, 0.2)
    assert ruling == Ruling(
        "a", "b", 0.65, "high",
        per_tier=(TierOpinion("high", 0.65), TierOpinion("low", 0.2)),
        conflicts=(Conflict("low", 0.2, "high", 0.65),),
    )  # fmt: skip


@pytest.mark.parametrize("tolerance", [n / 100 for n in range(50)])
def test_at_the_tolerance_itself_both_orders_tie(tolerance: float) -> None:
    """0.8 - 0.5 is a little more than 0.3 in floating point, and 0.5 - 0.2 is not: no label may come of that."""
    for p in (0.5 + tolerance, 0.5 - tolerance, round(0.5 + tolerance, 2), round(0.5 - tolerance, 2)):
        assert two_tiers(p, 0.9, tolerance).tier_id == "low"


def test_rounding_in_a_weighted_mean_is_no_opinion() -> None:
    """With these weights the mean of halves is 0.5000000000000001 in floating point."""
    names = {str(weight): weight for weight in (0.1, 0.2, 0.3, 0.7)}
    tier = Tier("t", "soft", tuple(Principle(name, "…", weight=weight) for name, weight in names.items()), 0.0)
    ruling = Case((tier,), dict.fromkeys(names, 0.5)).ruling()
    assert (ruling.p, ruling.abstained_because) == (None, TIED)


def test_a_context_weighs_tiers_and_principles_by_the_tags_of_the_prompt() -> None:
    tier = Tier("t", "soft", (Principle("x", "…"), Principle("y", "…")), 0.0)
    contexts = {"medical": {"x": 3.0}, "fiction": {"x": 0.0}, "quiet": {"t": 0.0}}
    constitution = Constitution("c", "1", (tier,), contexts)
    verdicts = [judgement(A, B, "x", 0.9), judgement(A, B, "y", 0.5)]

    def p(*tags: str) -> float | None:
        return rule(constitution, tags, A, B, verdicts).p

    assert p() == pytest.approx(0.7)
    assert p("medical") == pytest.approx((3 * 0.9 + 0.5) / 4)
    assert p("fiction") is None  # only y is left, and it ties
    assert rule(constitution, ("quiet",), A, B, verdicts).abstained_because == NO_VERDICT
    assert [principle.id for _, principle in constitution.applicable(("fiction",))] == ["y"]
    assert constitution.applicable(("quiet", "medical")) == ()


@pytest.mark.parametrize(
    ("tags", "applies"), [((), False), (("medical",), True), (("medical", "fiction"), False), (("other",), False)]
)
def test_when_and_unless(tags: tuple[str, ...], applies: bool) -> None:
    principle = Principle("x", "…", tags=frozenset({"medical"}), unless=frozenset({"fiction"}))
    assert principle.applies_to(tags) is applies


@many
@given(cases(), st.data())
def test_a_scalar_is_between_the_lowest_and_the_highest_score(case: Case, data: st.DataObject) -> None:
    constitution = Constitution("c", "1", case.tiers)
    scores = [Score("a", name, p, "logprobs") for name, p in case.verdicts.items()]
    read = [p for p in case.verdicts.values() if p is not None]
    value = scalar(constitution, (), scores)
    if value is None:
        assert not read
    else:
        assert min(read) - 1e-9 <= value <= max(read) + 1e-9


def test_in_a_scalar_every_tier_counts_twice_the_next() -> None:
    tiers = tuple(Tier(f"t{n}", "soft", (Principle(f"p{n}", "…"),)) for n in range(3))
    scores = [Score("a", "p0", 1.0, ""), Score("a", "p1", 0.0, ""), Score("a", "p2", 0.5, "")]
    assert scalar(Constitution("c", "1", tiers), (), scores) == pytest.approx((4 * 1 + 2 * 0 + 1 * 0.5) / 7)
