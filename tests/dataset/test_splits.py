"""Splits: no prompt in two, near-duplicates together, each tag its share, and nobody moved by others."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constitutional.config.run import SplitConfig
from constitutional.core.records import Message, Prompt
from constitutional.dataset.splits import Splits


def prompt(text: str, *tags: str) -> Prompt:
    messages = (Message("user", text),)
    return Prompt(Prompt.id_of(messages), messages, tags)


def split(prompts: Sequence[Prompt], fraction: float = 0.3, seed: int = 0, **options: Any) -> dict[str, str]:
    splits = Splits(seed, fraction, SplitConfig(**options))
    return {each.messages[-1].content: splits.of(each) for each in prompts}


def many(n: int, *tags: str) -> list[Prompt]:
    source = random.Random(n)
    words = ["parcel", "lamp", "refund", "order", "garden", "winter", "violin", "engine", "window", "harbour", "bread"]
    return [prompt(f"{' '.join(source.choices(words, k=12))} {number}?", *tags) for number in range(n)]


PROMPTS = many(400)
TEXTS = st.lists(st.integers(0, 399), min_size=1, max_size=120, unique=True)


@settings(max_examples=100, deadline=None)
@given(TEXTS, TEXTS, st.randoms(use_true_random=False), st.sampled_from([0.0, 0.1, 0.5]))
def test_no_prompt_moves_because_others_came_in_whatever_order(
    old: list[int], new: list[int], source: random.Random, fraction: float
) -> None:
    before = split([PROMPTS[n] for n in old], fraction)
    everything = [PROMPTS[n] for n in {*old, *new}]
    source.shuffle(everything)
    after = split(everything, fraction)
    assert before == {text: after[text] for text in before}


@settings(max_examples=50, deadline=None)
@given(TEXTS, TEXTS, st.sampled_from([{"exact": True}, {"similarity": 0.7}, {"similarity": 0.7, "exact": True}]))
def test_with_the_other_settings_none_moves_because_others_came_after(
    old: list[int], new: list[int], options: dict[str, Any]
) -> None:
    first = [PROMPTS[n] for n in old]
    later = [PROMPTS[n] for n in new if n not in old]
    before, after = split(first, **options), split(first + later, **options)
    assert before == {text: after[text] for text in before}


@pytest.mark.parametrize("seed", range(5))
def test_copies_that_differ_in_case_and_punctuation_are_always_together(seed: int) -> None:
    for each in PROMPTS[:100]:
        text = each.messages[-1].content
        made = split([each, prompt(text.upper().replace("?", " !"))], 0.5, seed)
        assert len(set(made.values())) == 1


@pytest.mark.parametrize("options", [{"similarity": 0.7}, {"similarity": 0.7, "exact": True}])
def test_near_duplicates_follow_the_first(options: dict[str, Any]) -> None:
    near = [prompt(each.messages[-1].content.replace("?", ", please?")) for each in PROMPTS[:150]]
    made = split([*PROMPTS[:150], *reversed(near)], 0.5, **options)
    for each, other in zip(PROMPTS[:150], near, strict=True):
        assert made[each.messages[-1].content] == made[other.messages[-1].content]
    assert set(made.values()) == {"train", "test"}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([(), ("shop",), ("shop", "late"), ("medical",)]), max_size=150),
    st.sampled_from([0.05, 0.1, 1 / 3, 0.5, 0.7, 0.9]),
    st.integers(0, 3),
)
def test_exact_means_each_combination_of_tags_has_its_share_to_within_one(
    tags: list[tuple[str, ...]], fraction: float, seed: int
) -> None:
    prompts = [prompt(f"question number {number}", *each) for number, each in enumerate(tags)]
    made = split(prompts, fraction, seed, exact=True)
    arrived, tested = Counter(tags), Counter(each.tags for each in prompts if made[each.messages[-1].content] == "test")
    for stratum, count in arrived.items():
        assert abs(tested[stratum] - fraction * count) <= 1 + 1e-6


def test_each_tag_has_about_its_share_and_some_one_of_their_own() -> None:
    prompts = [prompt(f"{each.messages[-1].content} {n % 2}", ("shop", "medical")[n % 2])
               for n, each in enumerate(many(4000))]  # fmt: skip
    made = split(prompts, 0.1, tags={"medical": 0.3})
    tested = Counter(each.tags for each in prompts if made[each.messages[-1].content] == "test")
    assert tested["shop",] == pytest.approx(200, abs=45)
    assert tested["medical",] == pytest.approx(600, abs=70)


def test_another_seed_is_another_split() -> None:
    assert split(PROMPTS, seed=0) != split(PROMPTS, seed=1)
    assert split(PROMPTS, seed=0, exact=True) != split(PROMPTS, seed=1, exact=True)


def test_where_the_test_prompts_stand_follows_no_pattern() -> None:
    """A file in which every tenth prompt is special would else be split by that."""
    made = list(split([prompt(f"question number {n}") for n in range(1000)], 0.1, exact=True).values())
    places = Counter(place % 10 for place, name in enumerate(made) if name == "test")
    assert sum(places.values()) == 100
    assert max(places.values()) < 25
