from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.builtin.judges.rubric import RubricOptions, schema
from constitutional.builtin.judges.rubric_reply import difference, read_reply
from constitutional.core.messages import ChatRequest
from constitutional.errors import ConfigError
from tests.support.judging import Bench, Mind, shown, thinking
from tests.support.replies import conforming

NAMES = ("principle", "accuracy", "helpfulness")
GRADES = {"principle": (8.0, 3.0), "accuracy": (7.0, 7.0)}
GRADE = st.integers(1, 10)


def fixed(*replies: str) -> Mind:
    """Says these texts, one for each order."""
    said = dict(zip(("one", "two"), replies * 2, strict=False))

    def chat(request: ChatRequest) -> str:
        return said[shown(request.messages[0].content)[0]]

    return Mind(chat=chat)


def reply(scores: Any, winner: str | None = None, reason: str = "So.") -> str:
    return json.dumps({"reason": reason, "scores": scores} | ({"winner": winner} if winner else {}))


def sides(a: Any, b: Any) -> dict[str, dict[str, Any]]:
    return {name: {"A": a, "B": b} for name in NAMES}


@pytest.mark.parametrize(
    "text",
    [
        '{"scores": {"principle": {"A": 8, "B": 3}, "accuracy": {"A": 7, "B": 7}}}',
        '{"scores": {"A": {"principle": 8, "accuracy": 7}, "B": {"principle": 3, "accuracy": 7}}}',
        '{"A": {"scores": {"principle": 8, "accuracy": 7}}, "B": {"scores": {"principle": 3, "accuracy": 7}}}',
        '{"principle": {"A": 8, "B": 3}, "accuracy": {"A": 7, "B": 7}, "winner": "A"}',
        '{"principle": [8, 3], "accuracy": [7, 7]}',
        '{"principle_A": 8, "principle_B": 3, "A accuracy": 7, "accuracy (B)": 7}',
        '{"Principle": {"Answer A": "8", "Answer B": "3/10"}, "ACCURACY": {"answer_a": "7 out of 10", "answer_b": 7.0}}',
        '{"scores": [{"dimension": "principle", "A": 8, "B": 3}, {"dimension": "Accuracy", "A": 7, "B": 7}]}',
        '{"answer A": [{"name": "principle", "score": 8}, {"name": "accuracy", "score": 7}], '
        '"answer B": [{"name": "principle", "score": 3}, {"name": "accuracy", "score": 7}]}',
        '{"principle": {"A": {"score": 8, "why": "1 lie"}, "B": {"score": 3}}, "accuracy": {"A": "70%", "B": "3.5/5"}}',
        "{'principle': {'A': 8, 'B': 3,}, 'accuracy': {'A': 7, 'B': 7,},}",
        "Let me see.\n```json\n{principle: {A: 8, B: 3}, accuracy: {A: 7, B: 7}}\n```\nThat is all {really}.",
        'First {"principle": {"A": 1, "B": 1}} but then {"principle": {"A": 8, "B": 3}, "accuracy": {"A": 7, "B": 7}}',
        '{"principle": {"A": "8 (no lie)", "B": "3 points"}, "accuracy": {"A": 7, "B": 7}, "helpfulness": {"A": 9, "B": 1',
    ],
)
def test_grades_are_read_in_whatever_form(text: str) -> None:
    read = read_reply(text, NAMES, 10)
    assert read is not None
    assert read.grades == {name: pytest.approx(grades) for name, grades in GRADES.items()}


@pytest.mark.parametrize(
    "text",
    [
        "", "A is better.", "{}", '{"winner": "A"}', '{"scores": {"principle": {"A": 8}}}', '{"scores": {"A": 8, "B": 3}}',
        '{"principle": {"A": "high", "B": "low"}}', '{"principle": {"A": true, "B": false}}',
        '{"principle": {"A": 11, "B": 3}}', '{"principle": {"A": -1, "B": 3}}', '{"principle": {"A": null, "B": 3}}',
        '{"principle": [8]}', '{"principle": [8, 3, 5]}', '{"principle": {"A": "8 or 9", "B": 3}}',
        '{"principle": {"A": 8, "B": 3', '{"kindness": {"A": 8, "B": 3}}', '{"principle": 8}',
        '{"principle": {"A": "8/0", "B": 3}}', '{"principle": {"A": 1e400, "B": 1}}',
    ],
)  # fmt: skip
def test_what_is_not_said_is_not_guessed(text: str) -> None:
    assert read_reply(text, NAMES, 10) is None


@given(st.dictionaries(st.sampled_from(NAMES), st.tuples(GRADE, GRADE), min_size=1), st.sampled_from(["A", "B", "tie"]))
def test_what_was_asked_for_reads_as_it_is(grades: dict[str, tuple[int, int]], winner: str) -> None:
    text = reply({name: {"A": a, "B": b} for name, (a, b) in grades.items()}, winner)
    read = read_reply(text, NAMES, 10)
    assert read is not None
    assert (dict(read.grades), read.winner, read.reason) == (grades, winner, "So.")


KEYS = st.sampled_from([*NAMES, "A", "B", "score", "winner", "name"])
NESTED = st.recursive(
    st.integers() | st.text(max_size=5), lambda inner: st.dictionaries(KEYS, inner) | st.lists(inner, max_size=3)
)


@given(st.text() | NESTED.map(json.dumps))
def test_no_reply_is_too_odd(text: str) -> None:
    read = read_reply(text, NAMES, 10)
    if read is not None:
        assert read.grades
        assert all(0 <= grade <= 10 for pair in read.grades.values() for grade in pair)


@given(GRADE, GRADE, GRADE, GRADE)
def test_the_difference_turns_round_with_the_answers(a: int, b: int, c: int, d: int) -> None:
    weights = {"principle": 2.0, "accuracy": 1.0}
    both = [
        read_reply(reply({"principle": {"A": w, "B": x}, "accuracy": {"A": y, "B": z}}), NAMES, 10)
        for w, x, y, z in ((a, b, c, d), (b, a, d, c))
    ]
    first, second = (None if read is None else difference(read, weights) for read in both)
    assert first == pytest.approx((2 * (a - b) + (c - d)) / 3)
    assert second == pytest.approx(-((2 * (a - b) + (c - d)) / 3))


def test_p_follows_from_the_difference(bench: Bench) -> None:
    with thinking(fixed(reply(sides(9, 5), "A", "It lies."), reply(sides(5, 9), "B"))):
        judged = bench.judge("rubric", "one", "two")
        wide = bench.judge("rubric", "one", "two", {"scale": 4})
    assert [judged.p_ab, judged.p_ba, judged.p] == pytest.approx([1 / (1 + math.exp(-2))] * 3)
    assert wide.p == pytest.approx(1 / (1 + math.exp(-1)))
    assert judged.consistent is True
    assert judged.note.startswith("It lies. [principle 9:5, accuracy 9:5, helpfulness 9:5]")
    assert (judged.method, len(judged.calls)) == ("rubric", 2)


@pytest.mark.parametrize(
    ("winner", "p"),
    [
        (None, 0.5),
        ("tie", 0.5),
        ("neither", 0.5),
        ("A", 1 / (1 + math.exp(-0.25))),
        ("Answer B", 1 / (1 + math.exp(0.25))),
    ],
)
def test_equal_grades_are_a_tie_unless_a_winner_is_named(bench: Bench, winner: str | None, p: float) -> None:
    with thinking(fixed(reply(sides(7, 7), winner))):
        assert bench.judge("rubric", "one", "two").p_ab == pytest.approx(p)


def test_a_winner_that_contradicts_its_grades_is_an_abstention(bench: Bench) -> None:
    with thinking(fixed(reply(sides(9, 5), "B"))):
        judged = bench.judge("rubric", "one", "two")
    assert judged.p is None
    assert judged.note == "unreadable verdict: its winner contradicts its grades"


def test_a_tie_that_is_named_leaves_it_to_the_grades(bench: Bench) -> None:
    with thinking(fixed(reply(sides(9, 5), "tie"))):
        assert bench.judge("rubric", "one", "two").p_ab == pytest.approx(1 / (1 + math.exp(-2)))


def test_a_point_without_both_grades_is_left_out_and_named(bench: Bench) -> None:
    scores = {"principle": {"A": 9, "B": 5}, "accuracy": {"A": 1}, "helpfulness": {"A": 1, "B": "?"}}
    with thinking(fixed(reply(scores))):
        judged = bench.judge("rubric", "one", "two")
    assert judged.p_ab == pytest.approx(1 / (1 + math.exp(-2)))
    assert "not graded: accuracy, helpfulness" in judged.note


def test_points_of_ones_own(bench: Bench) -> None:
    options = {"dimensions": {"brevity": "says it briefly", "tone": "is kind"}, "weights": {"tone": 0}, "points": 5}
    with thinking(fixed(reply({"brevity": {"A": 5, "B": 1}, "tone": {"A": 1, "B": 5}}, "A"))) as (mind,):
        judged = bench.judge("rubric", "one", "two", options)
        text, asked = mind.asked[0].messages[0].content, mind.asked[0].schema
    assert judged.p_ab == pytest.approx(1 / (1 + math.exp(-2)))
    assert "- brevity: says it briefly\n- tone: is kind\n" in text
    assert "from 1 (worst) to 5 (best)" in text
    assert asked == schema(("brevity", "tone"), 5)


def test_the_schema_describes_what_is_read() -> None:
    for key in "abcdef":
        read = read_reply(json.dumps(conforming(schema(NAMES, 10), key)), NAMES, 10)
        assert read is not None
        assert tuple(read.grades) == NAMES
        assert read.winner in ("A", "B", "tie")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dimensions": {}}, "at least one name"),
        ({"dimensions": {"A": "x"}}, "differ from each other and from A and B"),
        ({"dimensions": {"tone": "x", "Tone ": "y"}}, "differ from each other"),
        ({"weights": {"tone": 1}}, "weights of what is no dimension: tone"),
        ({"weights": {"tone": -1}}, "weights.tone"),
        ({"dimensions": {"tone": "x"}, "weights": {"tone": 0}}, "every weight is 0"),
        ({"scale": 0}, "scale"),
    ],
)
def test_wrong_options(bench: Bench, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        bench.judge("rubric", "one", "two", options)


def test_the_default_weights_are_those_of_the_default_points() -> None:
    assert RubricOptions(dimensions={"tone": "is kind"}).weight("tone") == 1
    assert RubricOptions().weight("principle") == 2
