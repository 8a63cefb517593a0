"""The fixed rules, and the judge and the scorer that count them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from constitutional.builtin.rules import AnyRule, Rule, measured
from constitutional.errors import ConfigError
from tests.support.judging import Bench
from tests.support.runs import run, tier

RULE: TypeAdapter[Rule] = TypeAdapter(AnyRule)
LOOP = "and so it goes on and on " * 9


@pytest.mark.parametrize(
    ("rule", "upheld", "broken"),
    [
        ({"check": "matches", "pattern": "(?i)^dear"}, ["Dear Sam", "dear you"], ["Hi, dear", ""]),
        ({"check": "lacks", "pattern": r"\bguarantee"}, ["I think so", ""], ["I guarantee it", "guaranteed"]),
        ({"check": "length", "most": 3}, ["one two three", ""], ["one two three four"]),
        ({"check": "length", "least": 2, "unit": "characters", "most": 4}, ["ab", "abcd"], ["a", "abcde", ""]),
        ({"check": "length", "least": 2, "unit": "sentences"},
         ["One. Two.", "一。二。", "One\nTwo"], ["One, two", "3.1 g"]),
        ({"check": "length", "least": 4}, ["我喜欢茶", "a b c d"], ["我喜欢", "a-b"]),
        ({"check": "keywords", "any": ["tea", "cup of coffee"]}, ["TEA!", "a cup  of coffee"], ["teapot", "coffee"]),
        ({"check": "keywords", "all": ["tea", "milk"]}, ["milk, then tea"], ["tea", "milk"]),
        ({"check": "keywords", "none": ["C++", "无法"]}, ["C", "C plus"], ["in C++ it is", "我无法说"]),
        ({"check": "keywords", "any": ["a"], "none": ["b"]}, ["a"], ["a b", "c"]),
        ({"check": "language", "one_of": ["en"]}, ["The cat is on the mat and it is not yours.", "Yes.", ""],
         ["Der Hund ist nicht im Haus und die Katze auch nicht.", "答案在你手上的书里"]),
        ({"check": "json"}, ['{"a": 1}', "[1]", "```json\n{}\n```", " 3 "], ["{a: 1}", "", 'Here: {"a": 1}', "```\n{\n```"]),
        ({"check": "json", "keys": ["a", "b"]}, ['{"a": 1, "b": 2, "c": 3}'], ['{"a": 1}', "[]"]),
        ({"check": "no-contacts"}, ["Ask your doctor in 2024."], ["Write to a@b.example", "Call 555-0142"]),
        ({"check": "no-contacts", "kinds": ["url"]}, ["Call 555-0142"], ["See www.example.org"]),
        ({"check": "no-repetition"}, ["To be or not to be, that is the question.", ""], [LOOP, "x" * 90]),
        ({"check": "no-repetition", "most": 0.99}, ["one two three four one two three four"], [LOOP]),
    ],
)  # fmt: skip
def test_each_rule(rule: dict[str, Any], upheld: list[str], broken: list[str]) -> None:
    made = RULE.validate_python(rule)
    assert [text for text in upheld if not made.upheld(text)] == []
    assert [text for text in broken if made.upheld(text)] == []


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"check": "matches", "pattern": "("}, "is no regular expression"),
        ({"check": "length"}, "give `least`, `most`"),
        ({"check": "length", "least": 5, "most": 4}, "give `least`, `most`"),
        ({"check": "keywords"}, "give words"),
        ({"check": "keywords", "any": [" "]}, "give words"),
        ({"check": "language", "one_of": ["en", "tlh"]}, "does not know tlh; it knows ar, bg"),
        ({"check": "language", "one_of": []}, "no language"),
        ({"check": "no-contacts", "kinds": []}, "at least 1 item"),
        ({"check": "no-contact"}, "does not match any of the expected tags"),
        ({"check": "json", "weight": 0}, "greater than 0"),
    ],
)
def test_wrong_rules(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RULE.validate_python(rule)


@given(st.text(), st.sampled_from(["characters", "words", "sentences"]))
def test_a_length_is_never_negative_and_a_text_without_words_has_no_sentence(text: str, unit: Any) -> None:
    assert measured(text, unit) >= 0
    assert unit != "sentences" or (measured(text, unit) > 0) == bool(re.search(r"\w", text))


RULES = {
    "rules": [
        {"check": "no-contacts", "weight": 2},
        {"check": "length", "most": 5, "name": "short"},
        {"check": "lacks", "pattern": "!"},
    ]
}
CLEAN, LOUD, LEAKY = "Ask at the desk.", "Ask at the desk!", "Call me at 555-0142, any time you want!"


def test_the_better_answer_upholds_more_weight(bench: Bench) -> None:
    a_b, b_a, same = bench.judge_all("rules", [(CLEAN, LOUD), (LOUD, CLEAN), (LOUD, LOUD)], RULES)
    assert a_b.p == pytest.approx(0.5 + 0.45 / 4)
    assert b_a.p == pytest.approx(0.5 - 0.45 / 4)
    assert same.p == 0.5
    assert {judged.method for judged in (a_b, b_a, same)} == {"rules"}
    assert [judged.position_offset for judged in (a_b, b_a, same)] == [0, 0, 0]
    assert a_b.note == "B breaks lacks"
    (worst,) = bench.judge_all("rules", [(CLEAN, LEAKY)], RULES)
    assert worst.p == pytest.approx(0.95)
    assert worst.note == "B breaks no-contacts, short, lacks"


def test_how_certain_it_is_can_be_set(bench: Bench) -> None:
    assert bench.judge("rules", CLEAN, LEAKY, RULES | {"certainty": 1}).p == 1
    with pytest.raises(ConfigError, match=r"judge.options.certainty"):
        bench.judge("rules", CLEAN, LEAKY, RULES | {"certainty": 0.5})
    with pytest.raises(ConfigError, match=r"judge.options.rules: Field required"):
        bench.judge("rules", CLEAN, LEAKY, {})


def test_sums_in_another_order_are_no_preference(bench: Bench) -> None:
    rules = [
        {"check": "lacks", "pattern": word, "weight": weight} for word, weight in (("x", 0.1), ("y", 0.2), ("z", 0.3))
    ]
    assert bench.judge("rules", "x y", "z", {"rules": rules}).p == 0.5


def test_the_score_is_the_share_upheld(bench: Bench) -> None:
    assert bench.score("rules", CLEAN, RULES).value == 1
    loud = bench.score("rules", LOUD, RULES)
    assert loud.value == pytest.approx(0.75)
    assert (loud.method, loud.note) == ("rules", "breaks lacks")
    assert bench.score("rules", LEAKY, RULES).value == 0


@given(st.text(max_size=60), st.text(max_size=60))
def test_swapping_the_answers_turns_the_verdict_round(tmp_path_factory: pytest.TempPathFactory, a: str, b: str) -> None:
    shares = [sum(rule.weight for rule in made() if rule.upheld(text)) for text in (a, b)]
    turned = [sum(rule.weight for rule in made() if rule.upheld(text)) for text in (b, a)]
    assert shares == turned[::-1]


def made() -> list[Rule]:
    return [RULE.validate_python(rule) for rule in RULES["rules"]]


def test_one_principle_may_be_judged_by_rules_alone(tmp_path: Path) -> None:
    """The run's judge is asked about the others only."""
    words = tier("t", "strong", "one", "two")
    words["principles"][1]["judge"] = {"plugin": "rules", "options": {"rules": [{"check": "length", "most": 2}]}}
    made = run(tmp_path, ["one two three"], words)
    by_principle = {judgement.principle_id: judgement for judgement in made.trace.judgements}
    assert {name: judged.method for name, judged in by_principle.items()} == {"one": "logprobs", "two": "rules"}
    assert by_principle["two"].p == pytest.approx(0.95)
    assert [pair.judge_method for pair in made.trace.pairs] == ["logprobs+rules"]
    assert not any("avoid two" in text for text in made.world.templates_asked if text.startswith("You compare"))
