from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.core.digest import canonical, digest, random_for, seed_for
from constitutional.core.messages import ChatRequest, Sampling
from constitutional.core.records import Message, Prompt

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "941dffce4e4308ceb33e87326003257d"),
        ([1, "a", {"b": 2.5, "a": None}], "1dadb9939cc2986b7a696bc22b404747"),
        ("é\ud800", "b9424aa8d1365835b73d132d5198799e"),
    ],
)
def test_a_digest_is_the_same_for_ever(value: Any, name: str) -> None:
    """Ledgers on people's disks are keyed by these: a change here makes every one of them worthless."""
    assert digest(value) == name


def test_ids_and_seeds_are_the_same_for_ever() -> None:
    assert Prompt.id_of((Message("user", "Hello?"),)) == "6fc50157649a0d5b"
    assert seed_for(7, "p1", "respond:0") == 907826874
    assert random_for(0, "p", "x").random() == 0.6273475208849321


def test_canonical_text_has_sorted_keys_no_spaces_and_real_characters() -> None:
    assert canonical({"b": [1.0, True], "a": "é"}) == '{"a":"é","b":[1.0,true]}'


@given(st.dictionaries(st.text(), JSON, min_size=2))
def test_the_order_of_keys_does_not_matter(value: dict[str, Any]) -> None:
    assert digest(dict(reversed(value.items()))) == digest(value)


@given(JSON, JSON)
def test_two_values_share_a_digest_only_if_they_are_the_same_json(a: Any, b: Any) -> None:
    assert (digest(a) == digest(b)) == (canonical(a) == canonical(b))


@given(st.text(st.characters(), min_size=1) | st.sampled_from(["\ud800", "a\udfffb", "\udc00\ud800"]))
def test_every_text_has_a_digest_a_lone_surrogate_too(text: str) -> None:
    assert len(digest(text)) == 32
    assert digest(text) != digest(text + "\ud800")


def test_tuples_and_named_tuples_are_lists() -> None:
    assert digest((Message("user", "a"),)) == digest([["user", "a"]])


def test_the_shared_hint_is_no_part_of_a_request_and_everything_else_is() -> None:
    base = ChatRequest((Message("user", "a"),), Sampling(0.0, 1.0, 5, 1, ("x",)), 0, shared=3)
    same = ChatRequest(base.messages, base.sampling, base.sample, shared=0)
    assert digest(base.identity()) == digest(same.identity())
    others = [
        ChatRequest((Message("user", "b"),), base.sampling),
        ChatRequest((Message("system", "a"),), base.sampling),
        ChatRequest(base.messages, base.sampling, 1),
        ChatRequest(base.messages, base.sampling, schema={"type": "object"}),
        ChatRequest(base.messages, base.sampling, schema={"type": "string"}),
        *(
            ChatRequest(base.messages, sampling)
            for sampling in (
                Sampling(0.1, 1.0, 5, 1, ("x",)),
                Sampling(0.0, 0.9, 5, 1, ("x",)),
                Sampling(0.0, 1.0, 6, 1, ("x",)),
                Sampling(0.0, 1.0, 5, 2, ("x",)),
                Sampling(0.0, 1.0, 5, 1, ()),
            )
        ),
    ]
    assert len({digest(request.identity()) for request in [base, *others]}) == 1 + len(others)


@given(st.integers(0, 2**40), st.text(max_size=9), st.text(max_size=9))
def test_seeds_fit_every_server_and_depend_on_nothing_but_their_names(seed: int, prompt: str, purpose: str) -> None:
    first = seed_for(seed, prompt, purpose)
    random_for(seed, prompt, "something else").random()
    assert 0 <= first < 2**31
    assert seed_for(seed, prompt, purpose) == first
