from __future__ import annotations

from math import exp

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constitutional.audit.measures import measures
from constitutional.audit.verdict import Verdict
from constitutional.config.judge_card import Measured
from constitutional.core.records import Member
from tests.support.verdicts import pair, read, verdict

PROBABILITY = st.one_of(st.none(), st.floats(0, 1))


def value(found: Measured | None) -> float:
    assert found is not None
    assert found.low <= found.value <= found.high
    return found.value


def test_accuracy_leaves_out_ties_of_people_and_abstentions_of_the_judge() -> None:
    verdicts = [
        verdict(pair("1", 1.0), 0.9),
        verdict(pair("2", 0.0), 0.8),
        verdict(pair("3", 0.5), 0.9),
        verdict(pair("4", 1.0), None),
        verdict(pair("5", 1.0), 0.5),
    ]
    found = measures(verdicts).accuracy
    assert (value(found.overall), found.overall and found.overall.n) == (0.5, 2)
    assert (value(found.coverage), found.coverage and found.coverage.n) == (0.5, 4)


def test_where_both_orders_agree() -> None:
    verdicts = [
        verdict(pair("1", 1.0), 0.9, 0.8),
        verdict(pair("2", 1.0), 0.9, 0.2),
        verdict(pair("3", 1.0), 0.9, 0.05),
        verdict(pair("4", 0.0), 0.4, 0.4),
    ]
    found = measures(verdicts)
    assert value(found.accuracy.consistent) == 1.0
    assert value(found.accuracy.consistent_coverage) == 0.5
    assert value(found.accuracy.one_order) == 6 / 8
    assert value(found.orders.consistency) == 0.5


def test_the_first_place_is_worth_what_was_planted() -> None:
    """P is raised by 0.2 for whichever answer is shown first."""
    verdicts = [verdict(pair(str(n), 1.0), 0.5 + 0.2, 0.5 - 0.2) for n in range(4)]
    found = measures(verdicts).orders
    assert value(found.offset) == pytest.approx(0.2)
    assert value(found.first) == 1.0
    assert found.log_odds is not None


def test_verdicts_without_probabilities_have_no_log_odds() -> None:
    found = measures([verdict(pair(str(n), 1.0), float(n % 2), 1.0) for n in range(6)])
    assert found.orders.log_odds is None
    assert found.length.per_doubling is None
    assert found.orders.offset is not None


def test_length_beside_the_rule_that_counts_characters() -> None:
    long, short = "x" * 40, "x" * 10
    verdicts = [
        verdict(pair("1", 1.0, long, short), 0.9),
        verdict(pair("2", 1.0, short, long), 0.9),
        verdict(pair("3", 0.0, long, short), 0.9),
        verdict(pair("4", 1.0, "x" * 100, "y" * 101), 0.9),
    ]
    found = measures(verdicts).length
    assert value(found.judge_longer) == 0.5
    assert value(found.people_longer) == 0.25
    assert value(found.people_shorter) == 0.75
    assert value(found.over_longer) == pytest.approx(3 / 4 - 1 / 4)
    assert value(found.over_shorter) == 0.0
    assert (found.wins, found.losses) == (2, 0)
    assert value(found.longer_right) == 1.0
    assert value(found.longer_wrong) == pytest.approx(2 / 3)
    assert value(found.matched) == 1.0
    assert value(found.excess) == 0.25


def test_log_odds_per_doubling_are_found_beside_what_people_say() -> None:
    verdicts = []
    for n in range(60):
        label, doublings = float(n % 2), (n % 5) - 2
        a, b = "x" * (64 * 2 ** max(0, doublings)), "x" * (64 * 2 ** max(0, -doublings))
        odds = 0.8 * (2 * label - 1) + 0.3 * doublings
        verdicts.append(verdict(pair(str(n), label, a, b), 1 / (1 + exp(-odds))))
    assert value(measures(verdicts).length.per_doubling) == pytest.approx(0.3)


def test_own_answers_are_preferred_beyond_what_people_say() -> None:
    verdicts = [verdict(pair(str(n), float(n % 2), authors=("openai:gpt-x", "rival")), 0.9) for n in range(10)]
    verdicts.append(verdict(pair("both", 1.0, authors=("gpt-x", "gpt-x")), 0.9))
    found = measures(verdicts, ["GPT-X"]).own
    assert found is not None
    assert (value(found.judge), value(found.people), value(found.excess)) == (1.0, 0.5, 0.5)
    assert found.judge.n == 10
    assert measures(verdicts, ["another"]).own is None


def test_agreement_has_people_alone_as_its_ceiling() -> None:
    verdicts = [
        verdict(pair("1", {"ann": 1.0, "bob": 1.0}), 0.9),
        verdict(pair("2", {"ann": 0.0, "bob": 0.0}), 0.1),
        verdict(pair("3", {"ann": 0.5, "bob": 1.0}), 0.9),
        verdict(pair("4", {"ann": 1.0}), 0.2),
    ]
    found = measures(verdicts).agreement
    assert value(found.people) == pytest.approx(2 / 3)
    assert found.alpha is not None
    assert found.people_alpha is not None
    assert found.people_alpha.n == 3
    assert value(found.kappa) == pytest.approx(0.5)


def test_principles_tags_and_members_each_have_a_row() -> None:
    members = (Member("strong", 0.9), Member("weak", 0.2), Member("silent", None))
    verdicts = [
        verdict(pair("1", 1.0, tags=("shop", "late")), 0.9, members=members),
        verdict(pair("2", 1.0, tags=("shop",)), 0.4, principle="brief"),
    ]
    found = measures(verdicts)
    assert {group.name: group.judged for group in found.principles} == {"good": 1, "brief": 1}
    assert {group.name: (group.judged, value(group.accuracy)) for group in found.tags} == {
        "late": (1, 1.0),
        "shop": (2, 0.5),
    }
    assert [(group.name, group.accuracy and group.accuracy.value, group.abstained) for group in found.members] == [
        ("strong", 1.0, 0),
        ("weak", 0.0, 0),
        ("silent", None, 1),
    ]


def test_members_weights_are_learned_from_labels() -> None:
    """The second says the opposite of what people say, the third says nothing."""
    verdicts = [
        verdict(pair(str(n), label), 0.5, members=tuple(map(Member, "abc", (p, 1 - p, None))))
        for n in range(40)
        for label, p in [(float(n % 2), 0.8 if (n % 2) == (n % 10 != 0) else 0.2)]
    ]
    weights = measures(verdicts).weights
    assert weights["a"] > 0.5
    assert weights["b"] == 0.0
    assert measures(verdicts[:29]).weights == {}
    assert measures([verdict(pair("1", 1.0), 0.9)] * 40).weights == {}


def test_nothing_at_all_is_measured_as_nothing() -> None:
    found = measures([])
    assert found.accuracy.overall is None
    assert found.agreement.alpha is None
    assert found.histogram == []


def test_pairs_of_one_prompt_are_no_independent_news() -> None:
    """The same fifty verdicts on one prompt leave more doubt than on fifty prompts."""
    apart = [verdict(pair(str(n), 1.0), 0.9 if n % 5 else 0.1) for n in range(50)]
    together = [verdict(pair(str(n // 10), 1.0, f"a{n}"), 0.9 if n // 10 else 0.1) for n in range(50)]
    one, other = measures(apart).accuracy.overall, measures(together).accuracy.overall
    assert one is not None
    assert other is not None
    assert one.value == other.value
    assert other.high - other.low > 1.5 * (one.high - one.low)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(PROBABILITY, PROBABILITY, st.sampled_from([0.0, 0.5, 1.0])), max_size=12))
def test_it_means_nothing_which_answer_is_called_a(rows: list[tuple[float | None, float | None, float]]) -> None:
    def of(turned: bool) -> list[Verdict]:
        found = []
        for n, (p_ab, p_ba, label) in enumerate(rows):
            one = pair(str(n), label, "x" * (n + 1), "yy")
            if turned:
                back = (None if p_ba is None else 1 - p_ba, None if p_ab is None else 1 - p_ab)
                found.append(read(one.turned(), *back))
            else:
                found.append(read(one, p_ab, p_ba))
        return found

    one, other = measures(of(turned=False)), measures(of(turned=True))
    for left, right in (
        (one.accuracy.overall, other.accuracy.overall),
        (one.accuracy.consistent, other.accuracy.consistent),
        (one.orders.offset, other.orders.offset),
        (one.orders.first, other.orders.first),
        (one.length.judge_longer, other.length.judge_longer),
        (one.length.over_longer, other.length.over_longer),
    ):
        assert (left is None) == (right is None)
        if left is not None and right is not None:
            assert left.n == right.n
            assert left.value == pytest.approx(right.value, abs=1e-9)
