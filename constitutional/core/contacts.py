"""Contact data in a text: e-mail addresses, phone numbers, web addresses, bank accounts.

Found by their form alone. An IBAN is checked by its own check digits. A phone number is one that begins as numbers are
dialled (``+49``, ``0``, ``(030)``) or is grouped as in North America, India or China; dates, years, sums, decimals, book
and card numbers are left alone, and so is any other number that people may also count with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

Kind = Literal["email", "phone", "url", "iban"]
KINDS: tuple[Kind, ...] = ("email", "phone", "url", "iban")

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?!\w)")
_URL = re.compile(r"(?<!\w)(?:https?://|www\.)[^\s<>\"')\]]*[^\s<>\"')\].,;:!?]", re.IGNORECASE)
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,3})?(?!\w)")
_DIGITS = re.compile(r"[+(]{0,2}\d[\d ().\-/]*")
_PHONE = re.compile(
    r"""\+\d(?:[ ().\-/]{0,3}\d){6,14}                   # +49 30 1234567
      | \(\+?\d{1,5}\)(?:[ .\-/]?\d){4,12}               # (030) 123 45 67
      | 0\d(?:[ .\-/]{0,3}\d){5,13}                      # 030 1234567, 0049 30 1234567
      | (?:1[ .-])?\d{3}[ .-]\d{3}[ .-]\d{4}             # 555-123-4567
      | \d{3}-\d{4}                                      # 555-0142
      | \d{5}[ -]\d{5}                                   # 98765 43210
      | 1[3-9]\d[ -]?\d{4}[ -]?\d{4}                     # 138 1234 5678
    """,
    re.VERBOSE,
)
_DATE = re.compile(r"\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|\d{4}[-/.]\d{1,2}[-/.]\d{1,2}")


def contacts(text: str) -> tuple[Kind, ...]:
    """Which kinds of contact data the text holds."""
    found: set[Kind] = set()
    if _EMAIL.search(text):
        found.add("email")
    if _URL.search(text):
        found.add("url")
    if any(_checks_out(match[0]) for match in _IBAN.finditer(text)):
        found.add("iban")
    if next(_phones(text), None):
        found.add("phone")
    return tuple(kind for kind in KINDS if kind in found)


def _phones(text: str) -> Iterator[str]:
    """Runs of digits that are whole: ``v1.555-0142`` and ``555-0142x`` are names of something."""
    plain = _IBAN.sub(" ", _URL.sub(" ", text))
    for match in _DIGITS.finditer(plain):
        number = match[0].rstrip(" ().-/")
        before, after = plain[: match.start()][-1:], plain[match.start() + len(number) :][:2]
        if before.isalnum() or before in tuple("_.,:/-$€£¥") or after[:1].isalnum() or re.match(r"[_%]|[,:]\d", after):
            continue
        if number.count("(") > number.count(")"):
            number = number[1:]
        if _PHONE.fullmatch(number) and not _DATE.fullmatch(number):
            yield number


def _checks_out(iban: str) -> bool:
    """ISO 13616: the first four characters moved to the end and letters read as numbers, the remainder by 97 is 1."""
    plain = iban.replace(" ", "")
    if not 15 <= len(plain) <= 34:
        return False
    return int("".join(str(int(character, 36)) for character in plain[4:] + plain[:4])) % 97 == 1
