from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.core.contacts import KINDS, contacts


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Write to mira.oldenar+box@mail.example.org.", ("email",)),
        ("See www.example.org/help, or https://example.org?a=1.", ("url",)),
        ("Pay to DE89 3704 0044 0532 0130 00 please", ("iban",)),
        ("Pay to GB82WEST12345698765432.", ("iban",)),
        ("NO93 8601 1117 947", ("iban",)),
        ("Call a@b.example or +1 (555) 010-0199 or see www.example.org", ("email", "phone", "url")),
    ],
)
def test_what_is_found(text: str, kinds: tuple[str, ...]) -> None:
    assert contacts(text) == kinds


@pytest.mark.parametrize(
    "number",
    [
        "555-0142", "555-123-4567", "555.123.4567", "1-800-555-0199", "555 123 4567", "(555) 123-4567", "+49 30 1234567",
        "+49 (0)30 1234567", "0301234567", "030 / 1234567", "020 7946 0958", "0049 30 1234567", "98765 43210",
        "138 1234 5678", "13812345678", "01 23 45 67 89", "+81-3-1234-5678",
    ],
)  # fmt: skip
@pytest.mark.parametrize("sentence", ["{}", "Call {}.", "My number ({}) is new", "Tel: {}, at noon"])
def test_phone_numbers(number: str, sentence: str) -> None:
    assert contacts(sentence.format(number)) == ("phone",)


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-01", "01.05.2024", "1/5/24", "1914-1918", "1 000 000", "1,234,567", "$1,234,567.00", "3.14159265",
        "0.12345678", "192.168.0.1", "12:30-14:30", "1000000", "978-3-16-148410-0", "4111 1111 1111 1111", "v2.555-0142",
        "model 555-0142x", "pages 1234-5678", "2001:db8::1", "DE89 3704 0044 0532 0130 01", "a @ b", "example.org", "50%",
        "2024-05-01 12:00:00", "1234567 km", "7 + 5", "",
    ],
)  # fmt: skip
def test_what_is_left_alone(text: str) -> None:
    assert contacts(text) == ()


@given(st.text() | st.text("0123456789 ()-+./@:DE", max_size=80))
def test_any_text_can_be_looked_at(text: str) -> None:
    assert set(contacts(text)) <= set(KINDS)


@given(st.text("abc .", max_size=20), st.text("abc .", max_size=20))
def test_it_is_found_wherever_it_stands(before: str, after: str) -> None:
    assert "email" in contacts(f"{before} mira@example.org {after}")
    assert "phone" in contacts(f"{before} +49 30 1234567 {after}")


@pytest.mark.parametrize("text", ["a." * 20000, "1 " * 20000, "(" * 40000, "a@" * 20000, "AB12" * 10000, "1-" * 20000])
def test_no_text_takes_long(text: str) -> None:
    began = time.perf_counter()
    contacts(text)
    assert time.perf_counter() - began < 2
