"""Personal data, by its form: what a pattern can see, and no more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, get_args

from pydantic import Field

from constitutional.builtin.options import FilterOptions, Pattern
from constitutional.core.contacts import KINDS, contacts
from constitutional.core.records import Drop, Pair, Prompt, Reason, Trace
from constitutional.roles import Dropped, Setup

Kind = Literal["email", "phone", "url", "iban", "card", "ssn", "ip", "key"]
USUAL: list[Kind] = [kind for kind in get_args(Kind) if kind != "url"]
PATTERNS: dict[Kind, re.Pattern[str]] = {
    "card": re.compile(r"(?<![\d-])\d(?:[ -]?\d){12,18}(?![\d-])"),
    "ssn": re.compile(r"(?<![\d-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])"),
    "ip": re.compile(r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w]|\.\d)"),
    "key": re.compile(
        r"\b(?:sk-[A-Za-z0-9_-]{20,}|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36,}|hf_[A-Za-z0-9]{30,})"
        r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    ),
}
_NOBODYS = re.compile(
    r"(?:0|10|127|192\.168|169\.254|172\.(?:1[6-9]|2\d|3[01])|192\.0\.2|198\.51\.100|203\.0\.113|(?:\d\.){3}\d\Z)\b"
)
"""Addresses of private networks and of documentation, and what is rather a version: 1.2.3.4."""


class PersonalDataOptions(FilterOptions):
    kinds: list[Kind] = Field(default=USUAL, description="What to look for; there is `url` too.")
    more: list[Pattern] = Field(default=[], description="More regular expressions.")
    prompts: bool = Field(default=True, description="Do not ask about prompts that hold any.")


class PersonalData:
    """Numbers with check digits must have the right ones; addresses that belong to nobody are let be."""

    def __init__(self, setup: Setup) -> None:
        options: PersonalDataOptions = setup.options
        self._kinds = options.kinds
        self._prompts = options.prompts
        self._more = [re.compile(pattern) for pattern in options.more]

    def admit(self, prompt: Prompt) -> Dropped:
        if not self._prompts:
            return None
        found = next((kind for _, content in prompt.messages for kind in self.kinds_in(content)), None)
        return None if found is None else Drop(Reason.PERSONAL_DATA, f"{found} in the prompt")

    def check(self, pair: Pair, trace: Trace) -> Dropped:
        for response in (pair.chosen, pair.rejected):
            for kind in self.kinds_in(response.text):
                return Drop(Reason.PERSONAL_DATA, f"{kind} in {response.id}")
        return None

    def kinds_in(self, text: str) -> Iterator[str]:
        """The kinds that are found: the data itself is never repeated."""
        if not set(KINDS).isdisjoint(self._kinds):
            yield from (kind for kind in contacts(text) if kind in self._kinds)
        for kind, pattern in PATTERNS.items():
            if kind in self._kinds and any(_genuine(kind, match.group(0)) for match in pattern.finditer(text)):
                yield kind
        yield from (f"pattern {number}" for number, pattern in enumerate(self._more, 1) if pattern.search(text))


def _genuine(kind: Kind, text: str) -> bool:
    if kind == "card":
        return luhn(text)
    return kind != "ip" or _NOBODYS.match(text) is None


def luhn(text: str) -> bool:
    """The check digit of payment cards."""
    digits = [int(character) for character in text if character.isdigit()]
    doubled = [digit if place % 2 == 0 else sum(divmod(2 * digit, 10)) for place, digit in enumerate(reversed(digits))]
    return len(set(digits)) > 1 and sum(doubled) % 10 == 0
