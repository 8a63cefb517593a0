"""Planted examples of each fault, and ordinary answers that must pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.core.hygiene import cleaned, emoji_burst, fault, runs_away
from constitutional.core.refusals import is_refusal

ORDINARY = [
    "Boil the egg for six minutes. Then put it into cold water, and peel it.",
    "Sure: six minutes for a soft yolk, ten for a firm one.",
    "Here is how I would do it: first the water, then the egg.",
    "The revised edition of the book came out in 1998. It has two more chapters.",
    "I can't tell from here how old it is, but the label on the back says so.",
    "No, no, no! Never put a whole egg into a microwave oven.",
    "Great 🙂 the parcel is on its way, and it should be with you by Friday evening at the latest.",
    "1. Wash it.\n2. Dry it.\n3. Oil it.\n4. Put it away.",
    "Use ---------------------------------------------------------- as a separator.",
    "水烧开以后煮六分钟。",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_answer_passes_as_it_is(text: str) -> None:
    assert cleaned(text) == (text, ())
    assert fault(text, "Something else.") is None
    assert not is_refusal(text)


@pytest.mark.parametrize(
    "opener",
    [
        "Sure, here is a revised response: ",
        "Here's the revised answer:\n\n",
        "Certainly! Here is a rewritten version of the answer that follows the principle:\n",
        "Of course! Below is the updated response:\n",
        "Revised answer: ",
        "**Revised response:**\n",
        "The rewritten answer:\n",
        "好的，以下是修改后的回答：",
        "下面是改写的版本：",
    ],
)
def test_an_opener_that_speaks_of_the_revision_is_cut_off(opener: str) -> None:
    assert cleaned(opener + "Boil it for six minutes.") == ("Boil it for six minutes.", ("boilerplate_opener",))


def test_an_opener_with_nothing_after_it_stays() -> None:
    assert cleaned("Here is the revised answer:").text == "Here is the revised answer:"


def test_a_closing_comes_once() -> None:
    text = "Boil it for six minutes. You are valued. You are valued. You are valued."
    assert cleaned(text) == ("Boil it for six minutes. You are valued.", ("repeated_closing",))
    assert cleaned("煮六分钟。祝你好运。祝你好运。").text == "煮六分钟。祝你好运。"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty_revision"),
        (" before  it ", "no_op_revision"),
        ("I'm sorry, but I cannot revise this answer.", "refused_to_revise"),
        ("As an AI model I am unable to rewrite that.", "refused_to_revise"),
        ("我无法修改这个回答。", "refused_to_revise"),
        ("you are valid valued and cared for " * 5, "runaway_repetition"),
        ("Well" + "l" * 60, "runaway_repetition"),
        ("Great 🎉🎉🎉🎉🎉 thanks", "emoji_burst"),
    ],
)
def test_a_fault_has_its_reason(text: str, reason: str) -> None:
    assert fault(text, "before it") == reason


def test_emoji_that_were_there_before_are_no_fault() -> None:
    assert fault("🎉🎉🎉🎉🎉 yes!", "🎉🎉🎉🎉🎉 no!") is None


@pytest.mark.parametrize(
    "text",
    [
        "I can't help with that.",
        "I'm sorry, but I cannot assist with this request.",
        "Sorry, I won't provide instructions for that.",
        "As an AI language model, I am not able to help with this.",
        "抱歉，我无法帮助你做这件事。",
    ],
)
def test_a_refusal_is_seen(text: str) -> None:
    assert is_refusal(text)


@given(st.text(max_size=300))
def test_cleaning_twice_changes_nothing_more_and_nothing_is_made_up(text: str) -> None:
    once = cleaned(text)
    assert cleaned(once.text).text == once.text or once.cut
    assert once.text in text


@given(st.lists(st.sampled_from("abcdefgh"), max_size=60))
def test_no_text_of_any_words_breaks_the_checks(words: list[str]) -> None:
    text = " ".join(words)
    assert runs_away(text) in (True, False)
    assert emoji_burst(text) is False
