"""What can be said of a guard, and what cannot be meant."""

from __future__ import annotations

import pytest

from constitutional.errors import ConfigError, UnknownNameError
from constitutional.training.guards.spec import GUARDS, specs


def test_every_guard_keeps_its_defaults_until_it_is_told_otherwise() -> None:
    found = specs(["kl=warn", "margin=stop:0.8", "length = off"])
    assert (found["kl"].action, found["kl"].threshold) == ("warn", 20.0)
    assert (found["margin"].action, found["margin"].threshold) == ("stop", 0.8)
    assert not found["length"].on
    assert {name: spec for name, spec in found.items() if name not in ("kl", "margin", "length")} == {
        name: spec for name, spec in GUARDS.items() if name not in ("kl", "margin", "length")
    }


def test_the_last_word_counts() -> None:
    assert specs(["kl=off", "kl=warn:3"])["kl"].threshold == 3


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("kll=stop", UnknownNameError, "did you mean 'kl'"),
        ("kl", ConfigError, "expected NAME=warn"),
        ("kl=halt", ConfigError, "expected NAME=warn"),
        ("kl=stop:many", ConfigError, "'many' is no number"),
        ("kl=stop:nan", ConfigError, "a threshold is above 0"),
        ("kl=stop:-1", ConfigError, "a threshold is above 0"),
        ("nan=stop:3", ConfigError, "nan has no threshold"),
    ],
)
def test_what_cannot_be_meant(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        specs([text])
