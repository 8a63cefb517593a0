"""Filters find what was planted, and leave alone what only looks like it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constitutional.builtin.filters.contamination import Contamination
from constitutional.builtin.filters.duplicates import DuplicateAnswers, DuplicatePrompts
from constitutional.builtin.filters.length import LengthMatched
from constitutional.builtin.filters.personal import PersonalData, luhn
from constitutional.core.records import (
    Drop,
    Judgement,
    Message,
    Pair,
    Prompt,
    Reason,
    Response,
    Ruling,
    Trace,
)
from constitutional.errors import ConfigError
from constitutional.roles import Dropped, Filter, Setup
from tests.builtin.arenas import CONSTITUTION, HOST, MODEL, TEMPLATES

QUESTION = "How long does the parcel take, and where can I see that it was sent?"


def made(name: str, base: Path = Path(), depends: list[Any] | None = None, **options: Any) -> Any:
    registered = HOST.get("filter", name)
    checked = registered.options(options, "filters.0")
    noted = [] if depends is None else depends
    return registered.factory(Setup(name, checked, MODEL, TEMPLATES, CONSTITUTION, depends=noted.append, base=base))


def pair(chosen: str, rejected: str, *, prompt_id: str = "p", tier: str = "truth", p: float = 0.9, **more: Any) -> Pair:
    a, b = (Response(f"{prompt_id}.{n}", prompt_id, text, "m", n, "") for n, text in enumerate((chosen, rejected)))
    finish = more.pop("finish", ("stop", "stop"))
    ruling = Ruling(a.id, b.id, p, tier, vetoed_by=more.pop("vetoed_by", None))
    a, b = replace(a, finish=finish[0]), replace(b, finish=finish[1])
    return Pair(prompt_id, a, b, p, 2 * p - 1, "s", ruling, "logprobs", **more)


def trace(question: str = QUESTION, *judgements: Judgement, tags: tuple[str, ...] = (), prompt_id: str = "p") -> Trace:
    return Trace(Prompt(prompt_id, (Message("user", question),), tags), judgements=judgements)


def reason(dropped: Dropped) -> str | None:
    return dropped.reason if isinstance(dropped, Drop) else dropped


def check(name: str, pair: Pair, trace: Trace = trace(), **options: Any) -> str | None:  # noqa: B008
    each: Filter = made(name, **options)
    found: Any = each.check(pair, trace)
    return reason(found)


# --- one pair ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "rejected", "dropped"),
    [
        ("It is sent today.", "it is sent, today!", True),
        ("It will be sent from our store today. You can see it on the page of your order, as soon as it is on its way.",
         "It will be sent from our store today. You can see it on the page of your order as soon as it is on its way.",
         True),
        ("It is sent today.", "It is never sent.", False),
        ("", "It is sent.", False),
    ],
)  # fmt: skip
def test_a_revision_that_changes_next_to_nothing(chosen: str, rejected: str, dropped: bool) -> None:
    expected = Reason.NEAR_IDENTICAL if dropped else None
    assert check("near-identical", pair(chosen, rejected), similarity=0.9) == expected


@pytest.mark.parametrize(
    ("lengths", "dropped"),
    [
        ((100, 100), False),
        ((201, 100), True),
        ((100, 201), True),
        ((200, 100), False),
        ((60, 15), False),
        ((0, 90), True),
    ],
)
def test_lengths_that_differ_too_much(lengths: tuple[int, int], dropped: bool) -> None:
    found = check("length-ratio", pair("x" * lengths[0], "y" * lengths[1]), most=2.0, slack=50)
    assert found == (Reason.LENGTH_RATIO if dropped else None)


def test_an_uncertain_label_by_the_tier_that_decided() -> None:
    options: dict[str, Any] = {"p": 0.7, "tiers": {"safety": 0.95}}
    assert check("min-confidence", pair("a", "b", p=0.7), **options) is None
    assert check("min-confidence", pair("a", "b", p=0.69), **options) == Reason.LOW_CONFIDENCE
    assert check("min-confidence", pair("a", "b", p=0.9, tier="safety"), **options) == Reason.LOW_CONFIDENCE


def judgement(principle: str, p_ab: float, p_ba: float, *, a: str = "p.0", b: str = "p.1") -> Judgement:
    one, other = (Response(name, "p", name, "m", 0, "") for name in (a, b))
    return Judgement.of(one, other, principle, p_ab, p_ba, "logprobs")


def test_a_label_that_hangs_on_the_order_of_the_answers() -> None:
    flips, holds = judgement("truth", 0.9, 0.4), judgement("style", 0.8, 0.7)
    assert check("consistent-orders", pair("a", "b"), trace(QUESTION, flips, holds)) == Reason.INCONSISTENT
    assert check("consistent-orders", pair("a", "b", tier="style"), trace(QUESTION, flips, holds)) is None
    assert check("consistent-orders", pair("a", "b", vetoed_by="truth"), trace(QUESTION, flips)) is None
    elsewhere = judgement("truth", 0.9, 0.4, b="p.2")
    assert check("consistent-orders", pair("a", "b"), trace(QUESTION, elsewhere)) is None, "another comparison"


def test_a_judge_against_the_scores() -> None:
    assert check("scores-agree", pair("a", "b", chosen_score=0.2, rejected_score=0.8)) == Reason.AGAINST_SCORES
    assert check("scores-agree", pair("a", "b", chosen_score=0.8, rejected_score=0.8)) is None
    assert check("scores-agree", pair("a", "b", chosen_score=0.2)) is None, "the other was not scored"


@pytest.mark.parametrize(
    ("finish", "which", "dropped"),
    [
        (("length", "stop"), "chosen", True),
        (("stop", "length"), "chosen", False),
        (("stop", "length"), "either", True),
        (("stop", "stop"), "either", False),
    ],
)
def test_an_answer_that_was_cut_off(finish: tuple[str, str], which: str, dropped: bool) -> None:
    found = check("truncated", pair("a", "b", finish=finish), which=which)
    assert found == (Reason.TRUNCATED if dropped else None)


class TestRefusals:
    REFUSES = "I'm sorry, but I can't help with that."

    def check(self, *tags: str, chosen: str = REFUSES, vetoed_by: str | None = None, **options: Any) -> str | None:
        return check("refusals", pair(chosen, "Sure.", vetoed_by=vetoed_by), trace(tags=tags), **options)

    def test_where_the_tags_say_that_the_prompt_is_benign(self) -> None:
        assert self.check("shop", benign=["shop"]) == Reason.REFUSAL
        assert self.check("weapons", benign=["shop"]) is None
        assert self.check("shop", "weapons", benign=["shop"], unless=["weapons"]) is None
        assert self.check("shop", benign=["shop"], chosen="It is sent today.") is None

    def test_where_all_prompts_are_a_veto_excuses_it(self) -> None:
        assert self.check(benign="all") == Reason.REFUSAL
        assert self.check(benign="all", vetoed_by="safety") is None

    def test_which_prompts_are_benign_must_be_said(self) -> None:
        with pytest.raises(ConfigError, match=r"filters\.0\.options\.benign"):
            made("refusals")


@pytest.mark.parametrize(
    ("chosen", "rejected", "dropped"),
    [
        ("As an AI language model, I have no parcels.", "I have no parcels.", True),
        ("Certainly! It is sent today.", "It is sent today.", True),
        ("It is sent today. I hope this helps!", "It is late.", True),
        ("It is sent today. I hope this helps!", "No idea. I hope this helps!", False),
        ("It is sent today 🎉🎉🎉🎉🎉", "It is sent today.", True),
        ("You are certainly right: it is sent today.", "No.", False),
        ("希望以上信息对你有所帮助。", "不知道。", True),
        ("It is sent today.", "As an AI, I do not know.", False),
    ],
)
def test_phrases_that_mean_nothing(chosen: str, rejected: str, dropped: bool) -> None:
    assert check("boilerplate", pair(chosen, rejected)) == (Reason.BOILERPLATE if dropped else None)


def test_boilerplate_of_your_own() -> None:
    text = pair("Our team is at your service.", "No.")
    assert check("boilerplate", text, more=["at your service"], phrases=False) == Reason.BOILERPLATE
    with pytest.raises(ConfigError, match="is no regular expression"):
        made("boilerplate", more=["("])


ENGLISH = "You can see it on the page of your order, and it will take about three days."
GERMAN = "Das steht auf der Seite der Bestellung, und es dauert ungefähr drei Tage, wenn nichts dazwischenkommt."


@pytest.mark.parametrize(
    ("question", "answer", "dropped"),
    [
        (QUESTION, GERMAN, True),
        (QUESTION, "您可以在订单页面上看到。", True),
        (QUESTION, ENGLISH, False),
        ("How do I say that in German? You can see it on the page of your order.", GERMAN, False),
        ("Translate: you can see it on the page, and it will take about three days.", GERMAN, False),
        ("包裹什么时候到？", ENGLISH, True),
        (QUESTION, "OK.", False),
        (QUESTION, "```python\nfor der in die:\n    print(das)\n```", False),
    ],
)
def test_an_answer_in_another_language(question: str, answer: str, dropped: bool) -> None:
    expected = Reason.LANGUAGE if dropped else None
    assert check("language", pair(answer, ENGLISH), trace(question), which="chosen") == expected


# --- prompts ----------------------------------------------------------------------------------------------------------


def prompt(text: str, name: str = "p") -> Prompt:
    return Prompt(name, (Message("user", text),), source=f"prompts.jsonl:{name}")


class TestPersonalData:
    @pytest.mark.parametrize(
        ("text", "kind"),
        [
            ("Write to jo.doe@post.invalid.net please", "email"),
            ("My number is +49 30 901820.", "phone"),
            ("Pay to DE89 3704 0044 0532 0130 00", "iban"),
            ("My card is 4111 1111 1111 1111", "card"),
            ("SSN 123-45-6789", "ssn"),
            ("She logged in from 8.8.4.117", "ip"),
            ("token hf_abcdefghijklmnopqrstuvwxyzABCDEF", "key"),
        ],
    )
    def test_in_a_prompt_and_in_an_answer(self, text: str, kind: str) -> None:
        each: PersonalData = made("personal-data")
        assert each.admit(prompt(text)) == Drop(Reason.PERSONAL_DATA, f"{kind} in the prompt")
        assert each.check(pair("fine", text), trace()) == Drop(Reason.PERSONAL_DATA, f"{kind} in p.1")

    @pytest.mark.parametrize(
        "text",
        ["order 4111 1111 1111 1112", "from 1999 to 2004", "ISBN 978-3-16-148410-0", "version 1.2.3.4", "ask 127.0.0.1",
         "pi is 3.14159265358979", "DE88 3704 0044 0532 0130 00", "2026-11-21 16:49"],
    )  # fmt: skip
    def test_what_only_looks_like_it(self, text: str) -> None:
        assert made("personal-data").admit(prompt(text)) is None

    def test_only_what_was_asked_for(self) -> None:
        each: PersonalData = made("personal-data", kinds=["card"], prompts=False, more=[r"\bcase \d+\b"])
        assert each.admit(prompt("4111 1111 1111 1111")) is None
        assert list(each.kinds_in("jo@post.net has case 17")) == ["pattern 1"]

    @given(st.integers(10**11, 10**18))
    def test_one_wrong_digit_fails_the_check(self, number: int) -> None:
        valid = next(f"{number}{digit}" for digit in range(10) if luhn(f"{number}{digit}"))
        wrong = valid[:-1] + str((int(valid[-1]) + 1) % 10)
        assert not luhn(wrong)


class TestDuplicatePrompts:
    def dropped(self, texts: Sequence[str], **options: Any) -> list[int]:
        each: DuplicatePrompts = made("duplicate-prompts", **options)
        return [place for place, text in enumerate(texts) if each.admit(prompt(text, str(place))) is not None]

    def test_the_first_of_several_is_kept(self) -> None:
        long = "Please tell me how long the parcel with my new lamp will take to arrive at the house in the valley"
        texts = [long, "Is the shop open?", f"{long} please?", long.replace("lamp", "desk"), "is the shop  OPEN"]
        assert self.dropped(texts, similarity=0.8) == [2, 3, 4]
        assert self.dropped(texts, similarity=1.0) == [4]
        assert self.dropped(texts[::-1], similarity=1.0) == [3]

    def test_what_was_dropped_is_nobodys_first(self) -> None:
        """b is like a, c is like b and not like a: c stays."""
        a = "one two three four five six seven eight nine ten eleven twelve"
        b, c = a.replace("one two", "uno dos"), a.replace("one two three four", "uno dos tres cuatro")
        assert self.dropped([a, b, c], similarity=0.6) == [1]
        assert self.dropped([b, c], similarity=0.6) == [1]

    def test_dialogues_are_compared_whole(self) -> None:
        each: DuplicatePrompts = made("duplicate-prompts", similarity=1.0)
        turns = (Message("user", "Is it open?"), Message("assistant", "Yes."), Message("user", "When?"))
        other = (Message("user", "Is it open?"), Message("assistant", "No."), Message("user", "When?"))
        assert [each.admit(Prompt(str(n), m)) for n, m in enumerate((turns, other))] == [None, None]


class TestContamination:
    TEST_SET = "The quick brown fox jumps over the lazy dog while the old owl looks on from its branch."

    def each(self, folder: Path, name: str = "test.jsonl", **options: Any) -> Contamination:
        rows: list[dict[str, Any]] = [
            {"question": self.TEST_SET, "choices": ["red", "blue"]},
            {"question": "What is the colour of snow?"},
        ]
        if name.endswith(".jsonl"):
            (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        elif name.endswith(".json"):
            (folder / name).write_text(json.dumps(rows))
        else:
            (folder / name).write_text("\n".join(["question", *(f'"{row["question"]}"' for row in rows)]))
        filter_: Contamination = made("contamination", folder, against=[name], **options)
        return filter_

    @pytest.mark.parametrize("name", ["test.jsonl", "test.json", "test.csv", "test.txt"])
    def test_so_many_words_in_a_row(self, tmp_path: Path, name: str) -> None:
        each = self.each(tmp_path, name, n=8)
        assert (
            reason(each.admit(prompt("Is it so that quick brown fox jumps over the lazy dog, then?"))) == "contaminated"
        )
        assert each.admit(prompt("The quick brown fox sleeps beside the lazy dog while it rains outside.")) is None
        assert reason(each.admit(prompt("what is the colour of snow"))) == "contaminated", (
            "a short text that is the whole"
        )
        assert each.admit(prompt("red")) is None, "two words are no evidence"

    def test_an_answer_too(self, tmp_path: Path) -> None:
        planted = pair("fine", self.TEST_SET.upper())
        assert reason(self.each(tmp_path).check(planted, trace())) == Reason.CONTAMINATED
        assert self.each(tmp_path, answers=False).check(planted, trace()) is None

    def test_only_the_fields_that_are_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="no text of 5 or more words"):
            self.each(tmp_path, fields=["choices"])

    def test_the_content_of_the_files_is_part_of_the_plan(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("one two three four five six")
        noted: list[Any] = []
        made("contamination", tmp_path, noted, against=["a.txt"])
        (tmp_path / "a.txt").write_text("one two three four five seven")
        made("contamination", tmp_path, noted, against=["a.txt"])
        first, second = noted
        assert first != second

    def test_a_file_that_is_not_there_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"none\.jsonl: the test set cannot be read"):
            made("contamination", tmp_path, against=["none.jsonl"])


# --- the pairs of a run -----------------------------------------------------------------------------------------------


def test_an_answer_that_many_prompts_share() -> None:
    each: DuplicateAnswers = made("duplicate-answers", most=2)
    shared, own = "Please ask our service.", "It is sent today."
    pairs = [pair(shared, "x", prompt_id="a"), pair(shared, "y", prompt_id="a"), pair(own, "x", prompt_id="b"),
             pair("please ask our service", "x", prompt_id="c"), pair(shared, "x", prompt_id="d")]  # fmt: skip
    found = [each.sift(item, trace(prompt_id=item.prompt_id)) for item in pairs]
    assert [reason(item) for item in found] == [None, None, None, None, Reason.DUPLICATE_ANSWER]
    assert found[-1] == Drop(Reason.DUPLICATE_ANSWER, "d.0 says what was chosen for a")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 400), st.integers(1, 400)), max_size=60), st.sampled_from([0.1, 0.25, 1.0]))
def test_after_length_matching_length_says_nothing_about_the_label(
    lengths: list[tuple[int, int]], width: float
) -> None:
    each: LengthMatched = made("length-matched", width=width)
    pairs = [pair("x" * a, "x" * b) for a, b in lengths]
    for item in pairs:
        each.survey(item, trace())
    kept = [item for item in pairs if each.sift(item, trace()) is None]
    sides = Counter((each._place(item) or (0, False)) for item in kept if each._place(item))
    assert all(sides[ratio, True] == sides[ratio, False] for ratio, _ in list(sides))
    before = Counter(each._place(item) for item in pairs)
    for place, count in before.items():
        if place is None:
            assert sum(each._place(item) is None for item in kept) == count, "equal lengths are all kept"
        else:
            assert sides[place] == min(count, before[place[0], not place[1]])


def test_length_matching_drops_evenly_over_the_run() -> None:
    each: LengthMatched = made("length-matched")
    pairs = [pair("long answer", "short")] * 30 + [pair("short", "long answer")] * 10
    for item in pairs:
        each.survey(item, trace())
    kept = [place for place, item in enumerate(pairs) if each.sift(item, trace()) is None]
    assert kept == [*range(2, 30, 3), *range(30, 40)]
