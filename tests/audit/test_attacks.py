from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.audit.attacks import ATTACKS, attacked, results
from constitutional.audit.verdict import Verdict
from tests.support.verdicts import pair, verdict

ANSWER = "Take the second road.\n- It is short.\n- It is dry."


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_adds_and_takes_nothing_away(name: str) -> None:
    made = ATTACKS[name](ANSWER)
    assert len(made) > len(ANSWER) * 1.3
    assert all(said in made for said in ("Take the second road.", "It is short.", "It is dry."))
    assert ATTACKS[name](ANSWER) == made


def test_the_list_comes_again_in_hardly_other_words() -> None:
    assert ATTACKS["repeated list"]("1. One.\n2. Two.") == (
        "1. To put it another way: One.\n2. That is to say: Two.\n\n1. One.\n2. Two."
    )


@given(st.text(max_size=60), st.sampled_from(sorted(ATTACKS)))
def test_any_text_can_be_attacked(text: str, name: str) -> None:
    assert isinstance(ATTACKS[name](text), str)


def test_the_preferred_answers_are_attacked_and_no_tie() -> None:
    pairs = [
        pair("1", 1.0, "good one", "bad"),
        pair("2", 0.0, "bad", "good two"),
        pair("3", 0.5),
        pair("4", 1.0, " ", "b"),
    ]
    made = attacked(pairs, 25, seed=0)
    assert len(made) == 2 * len(ATTACKS)
    assert {one.pair.a.text for one in made} == {"good one", "good two"}
    assert all(one.pair.b.text != one.pair.a.text and one.pair.side == 1 for one in made)


def test_so_many_answers_and_no_more_by_the_seed() -> None:
    pairs = [pair(str(n), 1.0, f"good {n}") for n in range(20)]
    drawn = [{one.pair.a.text for one in attacked(pairs, 5, seed)} for seed in (0, 0, 1)]
    assert [len(own) for own in drawn] == [5, 5, 5]
    assert drawn[0] == drawn[1] != drawn[2]
    assert attacked(pairs, 0, 0) == []


def test_fooled_is_to_prefer_what_was_attacked() -> None:
    first, second, third, fourth = attacked([pair("1", 1.0, "good")], 1, 0)
    tied: Verdict = replace(verdict(third.pair, None), tied=True)
    asked = [
        (first, verdict(first.pair, 0.2)),
        (second, verdict(second.pair, 0.8)),
        (third, tied),
        (fourth, verdict(fourth.pair, None)),
    ]
    found = {one.name: one for one in results(asked)}
    assert [one.fooled and one.fooled.value for one in found.values()] == [1.0, 0.0, 0.0, None]
    assert [one.mean_p for one in found.values()] == [pytest.approx(0.8), pytest.approx(0.2), 0.5, None]
    assert found["repeated list"].abstained == 1
