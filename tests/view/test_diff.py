from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from constitutional.view.diff import Piece, changes
from constitutional.view.shown import shown

WORDS = st.lists(st.sampled_from(["one", "two", "three", " ", "\n", "."]), max_size=30).map("".join)


@given(WORDS, WORDS)
def test_both_texts_can_be_read_off_the_difference(before: str, after: str) -> None:
    pieces = changes(before, after)
    assert "".join(piece.text for piece in pieces if piece.kind != "in") == before
    assert "".join(piece.text for piece in pieces if piece.kind != "out") == after
    assert all(one.kind != other.kind for one, other in itertools.pairwise(pieces))


def test_a_word_is_replaced_as_a_word() -> None:
    assert changes("it is bad.", "it is good.") == [
        Piece("same", "it is "), Piece("out", "bad"), Piece("in", "good"), Piece("same", "."),
    ]  # fmt: skip


def test_a_megabyte_is_compared_at_once() -> None:
    one, other = "word " * 200_000, "word " * 199_999 + "end"
    assert [piece.kind for piece in changes(one, other)] == ["out", "in"]


def test_text_of_strangers_is_escaped_and_its_invisible_marks_are_seen() -> None:
    made = str(shown('<b> & "\x1b\u202e\u200d\r\n\u00a0é漢'))
    assert "<b>" not in made
    assert "&lt;b&gt; &amp; &#34;" in made
    assert "\x1b" not in made
    assert 'title="U+202E"' in made
    assert made.endswith("\u200d\n é漢")


def test_a_long_text_ends_with_a_sign() -> None:
    assert str(shown("x" * 30, 10)) == "x" * 10 + "…"
