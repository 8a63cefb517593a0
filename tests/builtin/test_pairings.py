"""Strategies against brute-force references, over random tables of scores and verdicts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from statistics import fmean, pstdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constitutional.core.records import Reason, Response, TierOpinion
from constitutional.core.stats.ranking import bradley_terry
from constitutional.plugins import BUILTIN
from constitutional.roles import PlannedPairing
from tests.builtin.arenas import HOST, TIERS, Table, ask, places, strategy

SCORED = ("best-vs-worst", "best-vs-random", "mu-minus-2-sigma", "pareto")
JUDGED = ("max-margin", "all-pairs", "tournament")
GRADE = st.sampled_from([n / 10 for n in range(11)]) | st.floats(0, 1, allow_nan=False)
P = st.sampled_from([None, 0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0]) | st.floats(0, 1, allow_nan=False)


@st.composite
def tables(draw: st.DrawFn, least: int = 1) -> Table:
    n = draw(st.integers(least, 7))
    profile = st.fixed_dictionaries(dict.fromkeys(TIERS, GRADE))
    profiles: list[Mapping[str, float] | None] = draw(st.lists(st.none() | profile, min_size=n, max_size=n))
    prefers = {pair: draw(P) for pair in itertools.combinations(range(n), 2)}
    violating = frozenset(draw(st.sets(st.integers(0, n - 1), max_size=n)))
    return Table(profiles, prefers, violating, name=f"p{draw(st.integers(0, 99))}")


def free(table: Table) -> list[int]:
    return [place for place in range(len(table.responses)) if place not in table.violating]


def best(table: Table) -> float | None:
    return max((value for place in free(table) if (value := table.values[place]) is not None), default=None)


def lower(table: Table, top: float) -> list[float]:
    return [value for value in table.values if value is not None and value < top - 1e-9]


@settings(max_examples=400, deadline=None)
@given(tables(), st.sampled_from(["best-vs-worst", "best-vs-random", "mu-minus-2-sigma"]), st.integers(0, 3))
def test_the_best_that_may_be_chosen_against_another(table: Table, name: str, seed: int) -> None:
    rulings, rejects = ask(strategy(name, seed), table)
    top = best(table)
    if len(table.responses) < 2:
        assert (rulings, rejects, table.scored) == ([], [], [])
        return
    if top is None or not lower(table, top):
        assert rulings == []
        assert [r.reason for r in rejects] in ([Reason.UNRESOLVED], [Reason.ABSTAINED], [Reason.NO_COMPARISON])
        assert table.compared == [], "what is equal is not compared"
        return
    ((chosen, rejected),) = (places(ruling) for ruling in rulings)
    value = table.values[rejected]
    assert table.values[chosen] == pytest.approx(top, abs=1e-9)
    assert chosen not in table.violating
    assert value is not None
    below = lower(table, top)
    if name == "best-vs-worst":
        assert value == pytest.approx(min(below), abs=1e-9)
    if name == "mu-minus-2-sigma":
        known = [value for value in table.values if value is not None]
        target = fmean(known) - 2 * pstdev(known)
        assert abs(value - target) <= min(abs(other - target) for other in below) + 1e-8
    assert any(math.isclose(value, other) for other in below)


def test_random_means_each_of_the_lower_ones_about_as_often_and_the_same_for_a_seed() -> None:
    drawn = []
    for number in range(300):
        table = Table([{"safety": value} for value in (0.9, 0.1, 0.3, 0.9, 0.5)], name=f"p{number}")
        first, again = (ask(strategy("best-vs-random"), table)[0] for _ in range(2))
        assert first == again
        drawn.append(places(first[0]))
    assert {chosen for chosen, _ in drawn} == {0}
    counts = [sum(rejected == place for _, rejected in drawn) for place in (1, 2, 4)]
    assert sum(counts) == 300
    assert all(70 < count < 130 for count in counts)


def test_two_sigma_below_the_mean_is_not_the_worst_where_there_are_many() -> None:
    """Twenty scores around a half, and one far below: the far one is no sweet spot."""
    values = [0.5 + n / 100 for n in range(-10, 10)] + [0.0]
    table = Table([{"safety": value} for value in values])
    ((_, far),) = (places(ruling) for ruling in ask(strategy("best-vs-worst"), table)[0])
    ((_, near),) = (places(ruling) for ruling in ask(strategy("mu-minus-2-sigma", sigmas=1.0), table)[0])
    assert values[far] == 0.0
    assert values[near] == pytest.approx(0.4)


@settings(max_examples=300, deadline=None)
@given(tables(2))
def test_all_pairs_are_all_that_can_become_a_label(table: Table) -> None:
    rulings, _ = ask(strategy("all-pairs"), table)
    wanted = {
        pair for pair in itertools.combinations(range(len(table.responses)), 2) if not table.violating >= set(pair)
    }
    assert {tuple(sorted(places(ruling))) for ruling in rulings} == wanted
    assert len(rulings) == len(table.compared) == len(wanted)


@settings(max_examples=300, deadline=None)
@given(tables(2), st.integers(1, 4))
def test_the_clearest_are_kept(table: Table, most: int) -> None:
    everything, _ = ask(strategy("all-pairs"), table)
    margins = sorted((abs(ruling.p - 0.5) for ruling in everything if ruling.p not in (None, 0.5)), reverse=True)
    kept, _ = ask(strategy("all-pairs", most=most), table)
    clearest, _ = ask(strategy("max-margin", pairs=most), table)
    if not margins:
        assert kept == clearest == everything
        return
    assert [abs(ruling.p - 0.5) for ruling in kept if ruling.p is not None] == pytest.approx(margins[:most], abs=1e-8)
    first = next(ruling.p for ruling in clearest if ruling.p is not None)
    assert abs(first - 0.5) == pytest.approx(margins[0], abs=1e-8)
    used = [place for ruling in clearest for place in places(ruling)]
    assert len(used) == len(set(used)), "no answer twice"
    assert len(clearest) <= most


def test_of_equally_clear_pairs_the_winner_of_most_comparisons_is_chosen() -> None:
    table = Table([None] * 3, {(0, 1): 0.1, (0, 2): 0.6, (1, 2): 0.6}, frozenset({2}))
    ((first, second),) = (places(ruling) for ruling in ask(strategy("max-margin"), table)[0])
    assert (first, second) == (1, 2), "both vetoes are certain, and 1 beat 0 too"


class TestTournament:
    @settings(max_examples=300, deadline=None)
    @given(tables(2), st.none() | st.integers(1, 8))
    def test_the_strongest_against_the_weakest_of_what_was_compared(self, table: Table, budget: int | None) -> None:
        pairing = strategy("tournament", comparisons=budget)
        rulings, rejects = ask(pairing, table)
        met = [frozenset(pair) for pair in table.compared]
        assert len(met) == len(set(met)), "nobody meets twice"
        if not free(table):
            assert [reject.reason for reject in rejects] == [Reason.UNRESOLVED]
            return
        with_last, without_last = self.reference(table, table.compared), self.reference(table, table.compared[:-1])
        if not rulings:
            assert max(with_last.values()) - min(with_last.values()) < 1e-6
            assert rejects[0].reason in (Reason.TIE, Reason.ABSTAINED)
            return
        a, b = places(rulings[0])
        assert (a, b) in table.compared
        assert any(self.ends(table, strength, a, b) for strength in (with_last, without_last))

    def ends(self, table: Table, strength: dict[int, float], a: int, b: int) -> bool:
        """Whether one of the two is the strongest that may be chosen and the other the weakest of all."""
        high, low = max(strength[place] for place in free(table)), min(strength.values())
        pairs = [(one, other) for one, other in ((a, b), (b, a)) if one not in table.violating]
        return any(abs(strength[one] - high) < 1e-6 and abs(strength[other] - low) < 1e-6 for one, other in pairs)

    def reference(self, table: Table, compared: list[tuple[int, int]]) -> dict[int, float]:
        wins: dict[tuple[str, str], float] = {}
        for one, other in compared:
            p = table.p(one, other)
            if p is not None:
                wins[str(one), str(other)] = wins.get((str(one), str(other)), 0) + p
                wins[str(other), str(one)] = wins.get((str(other), str(one)), 0) + 1 - p
        for loser in table.violating:
            for winner in free(table):
                wins[str(winner), str(loser)] = 1.0
        made = bradley_terry(wins)
        return {place: made.get(str(place), 0.0) for place in range(len(table.responses))}

    @pytest.mark.parametrize("n", range(2, 17))
    def test_a_judge_that_never_errs_finds_the_best_and_the_worst_with_fewer_comparisons(self, n: int) -> None:
        found = 0
        for number in range(20):
            order = [(place * 7 + number) % 17 for place in range(n)]
            sure = {(i, j): 0.9 if order[i] > order[j] else 0.1 for i, j in itertools.combinations(range(n), 2)}
            table = Table([None] * n, sure, name=f"p{number}")
            ((a, b),) = (places(ruling) for ruling in ask(strategy("tournament"), table)[0])
            found += {order[a], order[b]} == {max(order), min(order)}
            assert len(table.compared) <= min(n * (n - 1) // 2, math.ceil(math.log2(n)) * (n // 2) + 1)
        assert found >= 15

    def test_it_never_asks_what_a_veto_decides_but_the_last(self) -> None:
        table = Table([None] * 4, dict.fromkeys(itertools.combinations(range(4), 2), 0.8), frozenset({0, 3}))
        (ruling,), _ = ask(strategy("tournament"), table)
        between = [pair for pair in table.compared if len(table.violating & set(pair)) == 1]
        assert between == [places(ruling)]
        assert ruling.vetoed_by == "safety"


class TestPareto:
    @settings(max_examples=400, deadline=None)
    @given(tables(2))
    def test_by_the_scores_the_chosen_is_worse_on_no_tier_and_nothing_is_better_on_all(self, table: Table) -> None:
        known = {place: grades for place, grades in enumerate(table.grades_of) if grades is not None}
        candidates = [place for place in known if place not in table.violating]
        possible = [
            (chosen, rejected)
            for chosen in candidates
            for rejected in known
            if better(known[chosen], known[rejected])
            and not any(better(known[other], known[chosen]) for other in candidates)
        ]
        rulings, rejects = ask(strategy("pareto"), table)
        if not possible:
            assert rulings == []
            assert len(rejects) == 1
            return
        gaps = {pair: (table.values[pair[0]] or 0) - (table.values[pair[1]] or 0) for pair in possible}
        ((chosen, rejected),) = table.compared
        assert gaps[chosen, rejected] == pytest.approx(max(gaps.values()), abs=1e-8)
        p = table.p(chosen, rejected)
        agrees = p is None or p >= 0.5 - 1e-9
        assert bool(rulings) is agrees
        assert [reject.reason for reject in rejects] == ([] if agrees else ["trade_off"])

    def test_a_judge_that_prefers_the_other_on_a_lower_tier_makes_it_a_trade_off(self) -> None:
        opinions = {(0, 1): (TierOpinion("safety", 0.9), TierOpinion("style", 0.2))}
        good, bad = dict.fromkeys(TIERS, 0.9), dict.fromkeys(TIERS, 0.1)
        rulings, (reject,) = ask(strategy("pareto"), Table([good, bad], {(0, 1): 0.9}, opinions=opinions))
        assert rulings == []
        assert (reject.reason, reject.detail) == ("trade_off", "the judge prefers p.1 to p.0 on style")

    def test_where_every_answer_gives_something_up_there_is_no_pair(self) -> None:
        one, other = {"safety": 0.9, "style": 0.1}, {"safety": 0.1, "style": 0.8}
        table = Table([one, other], {(0, 1): 0.9})
        rulings, (reject,) = ask(strategy("pareto"), table)
        assert (rulings, reject.reason, table.compared) == ([], "trade_off", [])


def better(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    return all(one[t] >= other[t] - 1e-9 for t in TIERS) and any(one[t] > other[t] + 1e-9 for t in TIERS)


@settings(max_examples=400, deadline=None)
@given(tables(), st.sampled_from([*SCORED, *JUDGED]))
def test_no_strategy_asks_more_than_it_says_or_proposes_what_can_be_no_label(table: Table, name: str) -> None:
    pairing = strategy(name)
    assert isinstance(pairing, PlannedPairing)
    needs = pairing.needs(len(table.responses), 0)
    rulings, rejects = ask(pairing, table)
    assert len(set(table.scored)) <= needs.scores
    assert len(table.compared) <= needs.comparisons
    asked = {tuple(sorted(pair)) for pair in table.compared}
    for ruling in rulings:
        assert tuple(sorted(places(ruling))) in asked, "each is one that was compared"
        assert not table.violating >= set(places(ruling))
    assert len(table.responses) < 2 or rulings or rejects, "why there is no comparison is said"


@settings(max_examples=100, deadline=None)
@given(tables(2), st.sampled_from([*SCORED, *JUDGED]), st.integers(0, 5))
def test_the_same_table_gives_the_same_pairs(table: Table, name: str, seed: int) -> None:
    assert ask(strategy(name, seed), table) == ask(strategy(name, seed), table)


class TestWhoTakesPart:
    """Two sampled answers; the second was revised, and the third is the first again."""

    def table(self) -> Table:
        table = Table([{"safety": 0.2}, {"safety": 0.5}, {"safety": 0.3}], texts=["one", "two", "one"])
        revised = Response("p.1r1", "p", "two, mended", "m", 1, "call", round=1, parent="p.1")
        table.final = {**table.final, "p.1": revised}
        return table

    @pytest.mark.parametrize(
        ("among", "expected"),
        [
            ("all", ["p.0", "p.1r1", "p.1"]),
            ("sampled", ["p.0", "p.1"]),
            ("final", ["p.0", "p.1r1"]),
        ],
    )
    def test_each_text_once(self, among: str, expected: list[str]) -> None:
        table = self.table()
        ask(strategy("best-vs-worst", among=among), table)
        assert table.scored == expected

    def test_a_text_that_was_found_to_violate_is_barred_in_every_copy(self) -> None:
        table = Table([{"safety": 0.9}, {"safety": 0.5}, {"safety": 0.9}], violating=frozenset({2}),
                      texts=["same", "other", "same"])  # fmt: skip
        rulings, rejects = ask(strategy("best-vs-worst"), table)
        assert rulings == []
        assert rejects[0].reason == Reason.NO_COMPARISON


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.data())
def test_revised_against_initial_compares_each_answer_with_where_revision_left_it(
    rounds: list[int], data: st.DataObject
) -> None:
    """Answers that nothing was found in are compared with nothing, however the verdicts are."""
    prefers = {(n, n): data.draw(P) for n in range(len(rounds))}
    table = Table([None] * len(rounds), prefers)
    revised = {
        n: Response(f"p.{n}r{done}", "p", f"mended {done} times", "m", n, "call", round=done, parent=f"p.{n}")
        for n, done in enumerate(rounds)
        if done
    }
    table.final = {first.id: revised.get(n, first) for n, first in enumerate(table.responses)}
    pairing = strategy("revised-vs-initial")
    rulings, rejects = ask(pairing, table)
    assert [(ruling.a, ruling.b) for ruling in rulings] == [(after.id, f"p.{n}") for n, after in revised.items()]
    assert (rejects, table.scored) == ([], [])
    assert isinstance(pairing, PlannedPairing)
    assert len(table.compared) == pairing.needs(len(rounds), len(revised)).comparisons


def test_the_strategies_here_are_all_that_ship() -> None:
    shipped = {item.name for item in HOST.registered() if item.kind == "pairing" and item.distribution == BUILTIN}
    assert shipped == {"revised-vs-initial", *SCORED, *JUDGED}
