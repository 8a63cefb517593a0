"""What models write where JSON was asked for."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.core.loose_json import objects

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(WORDS, VALUES, max_size=4)
PLAIN = st.text("abc xyz", max_size=8).map(str.strip)
SIMPLE = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PLAIN, inner, max_size=3),
    max_leaves=12,
)
SIMPLE_OBJECTS = st.dictionaries(PLAIN, SIMPLE, min_size=1, max_size=4)
PROSE = st.text(st.characters(exclude_characters="{"), max_size=30)


@given(OBJECTS, PROSE, PROSE, st.booleans(), st.sampled_from([None, 2]))
def test_strict_json_reads_as_itself_wherever_it_stands(
    value: dict[str, Any], before: str, after: str, ascii_only: bool, indent: int | None
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert objects(before + text + after) == [value]
    assert objects(f"```json\n{text}\n```\nI hope that this helps.") == [value]


@given(SIMPLE_OBJECTS)
def test_what_python_prints_reads_as_what_it_printed(value: dict[str, Any]) -> None:
    assert objects(f"The verdict: {value!r}") == [value]


@given(SIMPLE_OBJECTS, st.sampled_from([",", ", ", ",\n"]))
def test_trailing_commas(value: dict[str, Any], comma: str) -> None:
    def written(value: Any) -> str:
        if isinstance(value, dict):
            return "{" + "".join(f"{json.dumps(k)}: {written(v)}{comma}" for k, v in value.items()) + "}"
        if isinstance(value, list):
            return "[" + "".join(f"{written(item)}{comma}" for item in value) + "]"
        return json.dumps(value)

    assert objects(written(value)) == [value]


@given(st.lists(OBJECTS, max_size=3))
def test_several_objects_come_in_order(values: list[dict[str, Any]]) -> None:
    assert objects(" then ".join(json.dumps(value) for value in values)) == values


@given(st.text() | st.text("{}[]\"':,\\ \nab1/*#", max_size=60))
def test_no_text_is_too_odd(text: str) -> None:
    for value in objects(text):
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


@given(SIMPLE_OBJECTS, st.data())
def test_what_is_cut_off_says_nothing_that_the_whole_does_not(value: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(value)
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    for found in objects(cut)[:1]:
        assert agrees(found, value)


def agrees(part: Any, whole: Any) -> bool:
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and agrees(item, whole[key]) for key, item in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) <= len(whole) and all(agrees(*both) for both in zip(part, whole, strict=False))
    return bool(part == whole)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{A: 7, B: 4}", {"A": 7, "B": 4}),
        ("{'winner': 'A'}", {"winner": "A"}),
        ("{“winner”: “A”, ‘why’: ‘it’s short’}", {"winner": "A", "why": "it’s short"}),
        ("{'why': 'it's short', 'winner': 'A'}", {"why": "it's short", "winner": "A"}),
        ('{"why": "it says "now" twice", "winner": "A"}', {"why": 'it says "now" twice', "winner": "A"}),
        ('{"a": "8/10", "b": 8/10}', {"a": "8/10", "b": "8/10"}),
        ('{"a": 8 / 10,\n"b": +3, "c": .5, "d": 4.}', {"a": "8 / 10", "b": 3, "c": 0.5, "d": 4.0}),
        ('{"a": True, "b": None, "c": NaN, "d": Yes}', {"a": True, "b": None, "c": None, "d": "Yes"}),
        ('{"a": 1 // the first\n, /* and */ "b": 2 # last\n}', {"a": 1, "b": 2}),
        ('{"a": 1 // the first\n"b": 2}', {"a": 1, "b": 2}),
        ('{"a": 1\n "b": "x"\n "c": [1 2]}', {"a": 1, "b": "x", "c": ["1 2"]}),
        ('{"a": "two\nlines"}', {"a": "two\nlines"}),
        (r'{"a": "\u00e9\x41\ud83d\ude00\q"}', {"a": "éA😀q"}),
        ('{"a": {"b": 1}, "c": {"d": 2', {"a": {"b": 1}, "c": {}}),
        ('{"a": 1, "b": 10', {"a": 1}),
        ('{"a": 1, "b": "half a sent', {"a": 1}),
        ('{"a" = 1; "b" = 2}', {"a": 1, "b": 2}),
        ('{"1": 2, 3: 4}', {"1": 2, "3": 4}),
        ('{"a": [1, 2, }', {"a": [1, 2]}),
        ("{}", {}),
    ],
)
def test_the_faults_of_models(text: str, value: dict[str, Any]) -> None:
    assert objects(text) == [value]


@pytest.mark.parametrize(
    "text", ["", "no", "{", "}", "{A} is better", "{{ x }}", "[1, 2]", "{:1}", "{" * 5000, '{"a' * 999]
)
def test_what_is_no_object(text: str) -> None:
    assert [value for value in objects(text) if value] == []


@pytest.mark.parametrize("text", ['{"a":"' + '"/*' * 9000, '{"a":[' * 9000, "{x " * 9000, '{"a":' + "1" * 30000])
def test_no_text_takes_long(text: str) -> None:
    began = time.perf_counter()
    objects(text)
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize("text", ['{"a": 1e999, }', '{"a": 1e999}'])
def test_a_number_too_big_for_a_float_stays_a_text(text: str) -> None:
    assert objects(text) == [{"a": "1e999"}]


@pytest.mark.parametrize("text", [r'{"a": "\ud800"}', r"{'a': '\ud800'}", '{"a": "\ud800"}'])
def test_half_a_character_is_replaced(text: str) -> None:
    assert objects(text) == [{"a": "\N{REPLACEMENT CHARACTER}"}]
