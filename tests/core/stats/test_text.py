from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from constitutional.core.stats.text import repeated, words


def test_words_are_what_a_reader_calls_words() -> None:
    assert words("It's 3 o'clock, Straße!") == ["it", "s", "3", "o", "clock", "strasse"]
    assert words("我喜欢Python 3") == ["我", "喜", "欢", "python", "3"]
    assert words("… !?") == []


def test_a_loop_repeats_and_prose_does_not() -> None:
    assert repeated("Take care of yourself today. " * 20) > 0.9
    assert repeated("Each of these words stands here once, and so nothing comes back.") == 0
    assert repeated("short") == 0
    assert repeated("好好学习天天向上" * 10) > 0.85


@given(st.text(max_size=200), st.integers(1, 5))
def test_shares_are_shares(text: str, n: int) -> None:
    assert 0 <= repeated(text, n) < 1
