"""Options of plugins are checked by the model that the plugin gives, and an error says where it stands."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from constitutional.errors import ConfigError
from tests.support.entry_points import Install, entry, offering


class Nested(BaseModel):
    model_config = ConfigDict(extra="forbid")

    depth: int = Field(default=1, gt=0)


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")

    words: list[str] = []
    threshold: float = 0.5
    nested: Nested = Nested()


def test_options_are_validated_by_the_plugins_own_model(install: Install) -> None:
    host = install(entry("mine", offering("my-judge", list, Options)))
    found = host.get("judge", "my-judge")
    assert found.options({"words": ["a"]}, "judge") == Options(words=["a"])
    assert found.options({}, "judge") == Options()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"treshold": 0.1},
            "judge.options.treshold: unknown option; did you mean 'threshold'?",
        ),
        (
            {"threshold": "high"},
            "judge.options.threshold: Input should be a valid number, unable to parse string as a number",
        ),
        ({"nested": {"depth": 0}}, "judge.options.nested.depth: Input should be greater than 0"),
        ({"words": [1]}, "judge.options.words.0: Input should be a valid string"),
    ],
)
def test_a_wrong_option_says_where_it_stands(install: Install, given: dict[str, Any], message: str) -> None:
    host = install(entry("mine", offering("my-judge", list, Options)))
    with pytest.raises(ConfigError) as caught:
        host.get("judge", "my-judge").options(given, "judge")
    assert str(caught.value) == message


def test_options_for_something_that_has_none(install: Install) -> None:
    host = install(entry("mine", offering("my-judge")))
    assert host.get("judge", "my-judge").options({}, "judge") is None
    with pytest.raises(ConfigError) as caught:
        host.get("judge", "my-judge").options({"a": 1}, "judge")
    assert str(caught.value) == "judge.options: judge 'my-judge' takes no options"
