from __future__ import annotations

import json
import math
import types
import typing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from constitutional.core.codec import from_json, to_json
from constitutional.core.constitution import Constitution, Example, PluginUse, Principle, Tier
from constitutional.core.records import (
    Conflict,
    Critique,
    Judgement,
    Message,
    Pair,
    Prompt,
    Reject,
    Response,
    Revision,
    Ruling,
    Score,
    TierOpinion,
    Trace,
)

RECORDS = (Prompt, Response, Critique, Revision, Score, Judgement, TierOpinion, Conflict, Ruling, Pair, Reject)
TEXT = st.text(st.characters(), max_size=12) | st.sampled_from(["\ud800", "\x00", '"\\\u2028', "{{ x }}"])
PLAIN = {
    str: TEXT,
    float: st.floats(allow_nan=False) | st.integers(0, 1).map(float),
    int: st.integers(),
    bool: st.booleans(),
    type(None): st.none(),
}


def some(kind: Any) -> st.SearchStrategy[Any]:
    """Any value that the annotation allows."""
    if kind in PLAIN:
        return PLAIN[kind]
    if typing.get_origin(kind) is types.UnionType:
        return st.one_of(*(some(inner) for inner in typing.get_args(kind)))
    if typing.get_origin(kind) is tuple:
        return st.lists(some(typing.get_args(kind)[0]), max_size=2).map(tuple)
    return st.builds(kind, **{name: some(hint) for name, hint in typing.get_type_hints(kind).items()})


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: str(kind.__name__))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_every_record_comes_back_exactly(kind: type[Any], data: st.DataObject) -> None:
    record = data.draw(some(kind))
    back = from_json(kind, to_json(record))
    assert back == record
    assert repr(back) == repr(record)  # 1.0 stays 1.0, a tuple a tuple, a named tuple itself


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(some(Trace))
def test_a_whole_trace_comes_back_exactly(trace: Trace) -> None:
    text = to_json(trace)
    back = from_json(Trace, text)
    assert repr(back) == repr(trace)
    assert to_json(back) == text


def test_it_is_plain_json_with_names_for_fields() -> None:
    critique = Critique("r", "honest", None, "naïve", calls=("k1",))
    assert json.loads(to_json(critique)) == {
        "response_id": "r", "principle_id": "honest", "violates": None, "text": "naïve", "p_violates": None,
        "method": "", "calls": ["k1"],
    }  # fmt: skip
    assert "naïve" in to_json(critique)
    assert json.loads(to_json(Prompt("p", (Message("user", "Hi"),))))["messages"] == [["user", "Hi"]]


def test_infinity_survives() -> None:
    score = Score("r", "x", math.inf, "m")
    assert from_json(Score, to_json(score)) == score


def test_a_field_that_is_not_known_is_an_error() -> None:
    with pytest.raises(KeyError, match="surprise"):
        from_json(Reject, '{"prompt_id":"p","reason":"tie","surprise":1}')


def test_a_constitution_comes_back_exactly_and_its_sets_are_written_in_order() -> None:
    example = Example("q", better="a", worse="b", where="x.yaml:9:1")
    use = PluginUse("keyword", {"words": ["a", {"b": 1.5}]}, "x.yaml:8:1")
    one = Principle("one", "One \ud800.", weight=0.5, tags=frozenset("dbac"), judge=use, examples=(example,))
    tier = Tier("t", "hard", (one, Principle("two", "Two.", unless=frozenset({"x"}))), 0.1, "x.yaml:2:1")
    rules = Constitution("rules", "1", (tier,), {"tag": {"one": 0.0}}, "draw", "refuse", "…", frozenset({"vague"}))
    text = to_json(rules)
    assert from_json(Constitution, text) == rules
    assert to_json(from_json(Constitution, text)) == text
    assert '"tags":["a","b","c","d"]' in text


def test_a_set_is_refused_since_it_has_no_order() -> None:
    with pytest.raises(TypeError, match="a set has no order: records hold tuples"):
        to_json(Reject("p", frozenset({"tie"})))  # type: ignore[arg-type]
