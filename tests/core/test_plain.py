from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.core.plain import one_line, plain

HOSTILE = {
    "\x1b[31mred\x1b[0m": "red",
    "\x1b]0;a title\x07text": "text",
    "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\": "link",
    "\x1b]52;c;c2VjcmV0\x07": "",
    "\x1bPdevice\x1b\\after": "after",
    "\x9b2Jgone": "gone",
    "\x1b[2J\x1b[Hhome": "home",
    "\x1bcreset": "reset",
    "bell\x07, null\x00, backspace\x08": "bell, null, backspace",
    "left\u202eright\u202c\u2066i\u2069\u200f": "leftrighti",
    "lone \ud83d surrogate": "lone  surrogate",
    "over\rwrite": "overwrite",
    "tab\tand\nline": "tab\tand\nline",
    "👩\u200d💻 می\u200cخواهم": "👩\u200d💻 می\u200cخواهم",
}


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_a_terminal_would_obey_is_gone_and_the_rest_stays(text: str) -> None:
    assert plain(text) == HOSTILE[text]


@given(st.text(st.characters(max_codepoint=0x2100)))
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    left = plain(text)
    assert all(one in "\n\t\u200c\u200d" or one.isprintable() for one in left)
    assert plain(left) == left


def test_a_broken_sequence_hides_no_megabyte() -> None:
    text = "\x1b[" + "x" * 1_000_000
    assert len(plain(text)) >= 999_999


def test_one_line_has_a_space_for_every_break() -> None:
    assert one_line("a\r\nb\tc\u2028d") == "a b c d"
