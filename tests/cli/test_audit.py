"""``constitutional audit``: planted faults are found with their planted size, the gate refuses bad judges, and bad input is
an error that says what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from constitutional.config.judge_card import JudgeCard, Measured, read_card
from tests.cli.conftest import Cli
from tests.support import judges

PAIRS = 300


def given(n: int = PAIRS, name: str = "labels.jsonl", **more: Any) -> None:
    """The constitution and the labels, in the current folder."""
    Path("good.yaml").write_text(json.dumps(judges.CONSTITUTION))
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in judges.labelled(n, **more)))


def audited(cli: Cli, judge: str, *more: str, n: int = PAIRS) -> JudgeCard:
    given(n)
    done = cli("audit", *AUDIT, "--judge", f"scripted:tests.support.judges:{judge}", "--attacks", "5", "--quiet", *more)
    assert done.code == 0, done.err
    return read_card(Path("judge-card.json"))


AUDIT = ("--labels", "labels.jsonl", "--constitution", "good.yaml")


def value(found: Measured | None) -> float:
    assert found is not None
    return found.value


def test_a_fair_judge_may_label(cli: Cli) -> None:
    card = audited(cli, "fair")
    found = card.measures
    assert card.gate.may_label
    assert value(found.accuracy.overall) > 0.75
    assert value(found.orders.consistency) == 1.0
    assert value(found.orders.log_odds) == pytest.approx(0.0, abs=1e-6)
    assert abs(value(found.length.per_doubling)) < 0.15
    assert card.calibration.before is not None
    assert card.calibration.before.ece.value < 0.05


def test_position_bias_is_found_with_its_size(cli: Cli) -> None:
    card = audited(cli, "first")
    assert value(card.measures.orders.log_odds) == pytest.approx(judges.PLACE, abs=0.01)
    assert value(card.measures.orders.first) > 0.6
    assert value(card.measures.orders.consistency) < 0.7
    assert any("favours the answer shown first" in warning for warning in card.gate.warnings)
    one, agreed = card.measures.accuracy.one_order, card.measures.accuracy.consistent
    assert value(agreed) > value(one) + 0.1, "both-order filtering lifts a decent judge"


def test_a_judge_that_only_sees_length_is_refused(cli: Cli) -> None:
    card = audited(cli, "longer")
    length = card.measures.length
    assert not card.gate.may_label
    assert value(length.judge_longer) == 1.0
    assert value(length.per_doubling) == pytest.approx(judges.DOUBLING, abs=0.01)
    assert value(length.over_longer) == 0.0
    assert {attack.name: value(attack.fooled) for attack in card.measures.attacks} == dict.fromkeys(
        ("verbosity", "repetition", "empty padding", "repeated list"), 1.0
    )


def test_length_bias_beside_a_sense_of_quality_is_found_with_its_size(cli: Cli) -> None:
    card = audited(cli, "lengthy")
    found = card.measures.length.per_doubling
    assert found is not None
    assert found.low < judges.DOUBLING < found.high
    assert found.value == pytest.approx(judges.DOUBLING, abs=0.25)
    assert value(card.measures.length.excess) > 0.1


def test_a_judge_below_chance_is_refused_and_agreement_makes_it_worse(cli: Cli) -> None:
    card = audited(cli, "contrary")
    accuracy = card.measures.accuracy
    assert not card.gate.may_label
    assert value(accuracy.overall) < 0.3
    assert value(card.measures.agreement.kappa) < -0.4
    assert card.calibration.calibrator.confidence(0.9) < 0.5, "its confidence is worth less than a coin"


def test_unreadable_verdicts_are_abstentions_with_their_share(cli: Cli) -> None:
    card = audited(cli, "mumbling")
    unread = sum(group.abstained for group in card.measures.principles) / PAIRS
    assert unread == pytest.approx(judges.UNREADABLE, abs=0.06)
    assert value(card.measures.accuracy.coverage) == pytest.approx(1 - judges.UNREADABLE, abs=0.12)
    assert value(card.measures.accuracy.overall) > 0.7, "what it does say is not thrown in with what it does not"


def test_a_coin_is_refused(cli: Cli) -> None:
    card = audited(cli, "coin")
    assert not card.gate.may_label
    assert "took no side" in card.gate.checks[0].words


@pytest.mark.slow
def test_a_known_temperature_is_recovered_and_the_error_falls_fivefold(cli: Cli) -> None:
    card = audited(cli, "overconfident", n=1500)
    calibration = card.calibration
    assert calibration.kind == "temperature"
    assert 1 / calibration.parameters[0] == pytest.approx(judges.TEMPERATURE, rel=0.15)
    assert calibration.before is not None
    assert calibration.after is not None
    assert calibration.after.ece.value * 5 <= calibration.before.ece.value


def test_the_same_audit_again_asks_nothing_and_says_the_same(cli: Cli) -> None:
    first = audited(cli, "fair", n=40)
    second = cli("audit", *AUDIT, "--judge", "scripted:tests.support.judges:fair", "--attacks", "5", "--json")
    assert "0 calls made, 120 reused" in second.err
    assert JudgeCard.model_validate(second.json) == first


def test_what_it_would_cost(cli: Cli) -> None:
    given(40)
    flags = ("--judge", "openai:gpt-4o-mini", "--price", "1,2", "--attacks", "10")
    planned = cli("audit", *AUDIT, *flags, "--dry-run", "--json").json
    assert (planned["pairs"], planned["attacks"], planned["calls"]) == (40, 40, 160)
    assert planned["cost"] > 0
    assert not Path("judge-card-run").exists()


def test_a_budget_stops_it_and_a_larger_one_goes_on(cli: Cli) -> None:
    given(40)
    flags = ("--judge", "scripted:tests.support.judges:fair", "--attacks", "0")
    stopped = cli("audit", *AUDIT, *flags, "--max-calls", "30")
    assert stopped.code == 1
    assert re.search(r"the budget of 30 calls is used up after \d+ of 40 comparisons", stopped.err)
    assert not Path("judge-card.json").exists()
    done = cli("audit", *AUDIT, *flags)
    assert (done.code, "50 calls made, 30 reused" in done.err) == (0, True)


def test_tags_several_annotators_and_the_summary(cli: Cli) -> None:
    given(60, "ann.jsonl", tags=True)
    rows = [json.loads(line) for line in Path("ann.jsonl").read_text().splitlines()]
    Path("bob.jsonl").write_text("".join(json.dumps(row | {"label": "tie" if n % 7 == 0 else row["label"]}) + "\n"
                                         for n, row in enumerate(rows)))  # fmt: skip
    done = cli("audit", "--labels", "ann.jsonl", "--labels", "bob.jsonl", "--constitution", "good.yaml", "--attacks", "0",
               "--model", "scripted:tests.support.judges:fair", "--quiet")  # fmt: skip
    assert done.code == 0, done.err
    card = read_card(Path("judge-card.json"))
    assert card.data.annotators == ["ann", "bob"]
    assert [group.name for group in card.measures.tags] == ["even", "odd"]
    assert value(card.measures.agreement.people_alpha) < 1
    assert re.search(r"^pairwise-logprob of \S+judges:fair: may label$", done.out, re.MULTILINE)
    assert "alpha of people alone" in done.out
    page = Path("judge-card.html").read_text()
    assert "<svg" in page
    assert not re.search(r"(src|href)=|https?://(?!www\.w3\.org)|<script", page)


def test_a_judge_that_asks_no_model_needs_none(cli: Cli) -> None:
    given(30)
    done = cli("audit", *AUDIT, "--judge", "rules", "--attacks", "0", "--quiet")
    if done.code:
        assert "rules" in done.err
        return
    assert read_card(Path("judge-card.json")).judge.model == {}


def error(cli: Cli, *arguments: str) -> tuple[int, str]:
    done = cli("audit", *arguments)
    return done.code, "\n".join(done.errors)


MODEL = ("--judge", "scripted:tests.support.judges:fair")


def test_no_labels_and_a_judge_without_its_model(cli: Cli) -> None:
    given(5)
    assert error(cli, *MODEL) == (2, "error: Missing option '--labels'. (see constitutional audit --help)")
    code, said = error(cli, *AUDIT)
    assert (code, "name it with --model PROVIDER:NAME, or --judge PROVIDER:NAME" in said) == (1, True)


def test_a_judge_that_does_not_exist(cli: Cli) -> None:
    given(5)
    code, said = error(cli, *AUDIT, "--judge", "pairwize-logprob")
    assert code == 2
    assert re.search(r"no judge named 'pairwize-logprob'; did you mean .*'pairwise-logprob'", said)


def test_files_that_are_no_labels(cli: Cli) -> None:
    given(5)
    assert error(cli, "--labels", "nowhere.jsonl", *MODEL)[1].startswith(
        "error: nowhere.jsonl: no such file or folder; labels"
    )
    Path("empty.jsonl").write_text("")
    assert error(cli, "--labels", "empty.jsonl", *MODEL)[0] == 2
    Path("typo.jsonl").write_text('{"prompt": "Q?", "a": "x", "b": "y", "label": "frist"}\n')
    assert "error: typo.jsonl:1: the label 'frist' cannot be read" in error(cli, "--labels", "typo.jsonl", *MODEL)[1]


def test_three_labels_and_labels_of_one_side_make_a_card_that_refuses(cli: Cli) -> None:
    given(3)
    assert cli("audit", *AUDIT, *MODEL, "--quiet").code == 0
    assert not read_card(Path("judge-card.json")).gate.may_label
    rows = [{"prompt": f"{n}?", "a": f"[9] {n}", "b": f"[0] {n}", "label": "tie"} for n in range(10)]
    Path("labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert cli("audit", *AUDIT, *MODEL, "--quiet").code == 0
    card = read_card(Path("judge-card.json"))
    assert (card.data.ties, card.measures.accuracy.overall, card.gate.may_label) == (10, None, False)


def test_a_principle_that_the_constitution_does_not_have(cli: Cli) -> None:
    given(3)
    rows = [row | {"principle": "goood"} for row in judges.labelled(3)]
    Path("labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, said = error(cli, *AUDIT, *MODEL)
    assert (code, "labels.jsonl:1: good has no principle 'goood'; did you mean 'good'? (and 2 more rows)" in said) == (
        2,
        True,
    )


def test_nothing_that_is_no_card_is_written_over(cli: Cli) -> None:
    given(3)
    Path("mine.json").write_text('{"mine": 1}')
    code, said = error(cli, *AUDIT, *MODEL, "--out", "mine.json")
    assert (code, said) == (2, "error: --out mine.json: is there and is no judge card: choose another name")
    assert error(cli, *AUDIT, *MODEL, "--out", "card.txt")[0] == 2
    assert Path("mine.json").read_text() == '{"mine": 1}'


def test_a_model_that_refuses_every_pair_is_no_audit(cli: Cli) -> None:
    given(3)
    Path("mute.jsonl").write_text('{"when": "never", "choose": {"A": 1}}\n')
    code, said = error(cli, *AUDIT, "--judge", "scripted:mute.jsonl", "--attacks", "0")
    assert (code, "the judge could not be asked of any of 3 pairs" in said) == (1, True)
