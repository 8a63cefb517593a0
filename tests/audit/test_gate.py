from __future__ import annotations

import pytest

from constitutional.audit.gate import gate
from constitutional.audit.measures import measures
from constitutional.audit.verdict import Verdict
from constitutional.config.judge_card import Attack, Data, Gate, Measured
from tests.support.verdicts import pair, verdict


def judged(verdicts: list[Verdict], **data: object) -> Gate:
    found = {
        "files": ["x"],
        "pairs": len(verdicts),
        "prompts": 1,
        "ties": 0,
        "annotators": ["h"],
        "readings": [],
    } | data
    return gate(measures(verdicts), Data.model_validate(found))


def verdicts(n: int, right: int, longer: int = 0) -> list[Verdict]:
    """The first ``right`` are right; of the first ``longer`` pairs the better answer is the longer, else as long."""
    return [
        verdict(
            pair(str(place), 1.0, "long answer" if place < longer else "same", "same"), 0.9 if place < right else 0.1
        )
        for place in range(n)
    ]


def test_a_judge_that_clears_both_may_label() -> None:
    found = judged(verdicts(100, 80))
    assert found.may_label
    assert [check.passed for check in found.checks] == [True, True]
    assert "better than chance" in found.checks[0].words


def test_chance_has_to_be_cleared_by_more_than_luck() -> None:
    found = judged(verdicts(100, 55))
    assert not found.may_label
    assert "not shown to be better than chance" in found.checks[0].words


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_handful_of_labels_all_right_prove_nothing(n: int) -> None:
    """The bootstrap's interval is then the one point 1."""
    assert not judged(verdicts(n, n)).may_label


def test_a_judge_that_counts_characters_is_refused_however_often_that_is_right() -> None:
    found = judged([verdict(pair(str(n), 1.0, "the longer answer", "short"), 0.9) for n in range(100)])
    assert [check.passed for check in found.checks] == [True, False]
    assert "not shown to be better than counting characters" in found.checks[1].words
    assert "right 1.000 of the time" in found.checks[1].words


def test_a_judge_that_says_nothing_is_refused() -> None:
    found = judged([verdict(pair(str(n), 1.0), None) for n in range(100)])
    assert not found.may_label
    assert "took no side" in found.checks[0].words


def test_below_chance_is_refused() -> None:
    assert not judged(verdicts(100, 20)).may_label


def test_what_is_worth_knowing() -> None:
    def warned(verdicts: list[Verdict], **data: object) -> str:
        return "\n".join(judged(verdicts, **data).warnings)

    assert "20 labels that prefer one answer" in warned(verdicts(20, 20))
    assert "drawn by lowest-margin" in warned(verdicts(60, 60), drawn_by=["lowest-margin"])
    assert "3 of 60 pairs could not be judged: timeout 3" in warned(verdicts(60, 60), failed=3, failures={"timeout": 3})
    silent = [verdict(pair(str(n), 1.0), None if n < 60 else 0.9) for n in range(100)]
    assert "takes a side on only 40% of the pairs" in warned(silent)
    first = [verdict(pair(str(n), 1.0), 0.9, 0.3) for n in range(60)]
    assert "favours the answer shown first: P rises by 0.30" in warned(first)
    assert "only 0% of its verdicts keep their side" in warned(first)


def test_an_attack_that_often_wins_is_told() -> None:
    found = measures(verdicts(60, 60))
    won = Attack(name="verbosity", fooled=Measured(value=0.6, low=0.3, high=0.9, n=10), mean_p=0.7)
    data = Data(files=["x"], pairs=60, prompts=60, ties=0, annotators=["h"], readings=[])
    said = gate(found.model_copy(update={"attacks": [won]}), data).warnings
    assert "it prefers 6 of 10 answers after the attack by verbosity, which adds nothing to them" in said
