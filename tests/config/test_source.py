from __future__ import annotations

import itertools
from pathlib import Path
from typing import Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field

from constitutional.config.source import Source
from constitutional.errors import ConfigError
from constitutional.resources import data_folder


class Leg(BaseModel):
    model_config = ConfigDict(extra="forbid")

    shoe: str
    length: int = Field(default=1, gt=0)


class Animal(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    kind: Literal["cat", "dog"] = "cat"
    legs: list[Leg] = []
    friends: dict[str, Leg] = {}
    tail: Leg | None = None


def wrong(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        Source.parse(text, "a.yaml").validate(Animal)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\nlegz: []\n", "a.yaml:2:1: legz: unknown key; did you mean 'legs'?"),
        (
            "name: x\nzzzz: []\n",
            "a.yaml:2:1: zzzz: unknown key; known: friends, kind, legs, name, tail",
        ),
        (
            "name: x\nlegs:\n  - shoe: a\n  - {shoe: b, lenght: 2}\n",
            "a.yaml:4:15: legs.1.lenght: unknown key; did you mean 'length'?",
        ),
        ("name: x\ntail: {shoe: a, lenth: 1}\n", "a.yaml:2:17: tail.lenth: unknown key; did you mean 'length'?"),
        (
            "name: x\nfriends:\n  bob: {shoe: a, lenth: 1}\n",
            "a.yaml:3:18: friends.bob.lenth: unknown key; did you mean 'length'?",
        ),
        ("kind: cat\n", "a.yaml:1:1: name: this key is required"),
        ("name: x\nlegs:\n  - length: 2\n", "a.yaml:3:5: legs.0.shoe: this key is required"),
        ("name: x\nfriends:\n  bob: {}\n", "a.yaml:3:3: friends.bob.shoe: this key is required"),
        ("name: 5\n", "a.yaml:1:1: name: expected text, this is a number: put it in quotes"),
        ("name: x\nlegs: {}\n", "a.yaml:2:1: legs: expected a list, this is a mapping"),
        (
            "name: x\ntail:\n  shoe: a\n  length: long\n",
            "a.yaml:4:3: tail.length: input should be a valid integer, unable to parse string as an integer",
        ),
        ("name: x\ntail: {shoe: a, length: 0}\n", "a.yaml:2:17: tail.length: input should be greater than 0"),
        ("name: x\nkind: cow\n", "a.yaml:2:1: kind: input should be 'cat' or 'dog'"),
        ("name: x\nkind: cat\nname: y\n", "a.yaml:3:1: name: this key is here twice"),
        ("name: x\ntail:\n  shoe: a\n  shoe: b\n", "a.yaml:4:3: tail.shoe: this key is here twice"),
        (
            "name: [x\n",
            "a.yaml:2:1: not valid YAML: expected ',' or ']', but got '<stream end>'",
        ),
        (
            "name: x\n\tkind: cat\n",
            "a.yaml:2:1: not valid YAML: found character '\\t' that cannot start any token: indent with spaces",
        ),
        (
            "name: *x\n",
            "a.yaml:1:7: not valid YAML: found undefined alias 'x': "
            "a text that begins with * or & has to stand in quotes, or under `>`",
        ),
        ("? [a]\n: b\n", "a.yaml:1:3: not valid YAML: found unhashable key"),
        (
            "name: !!python/object:os.system x\n",
            "a.yaml:1:7: not valid YAML: could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/object:os.system'",
        ),
        (
            "name: \x00\n",
            "a.yaml:1:7: not valid YAML: the character U+0000 is not allowed",
        ),
        (
            "name: x\nname: y\nkind: cow\nlegs:\n  - shoe: a\n    shoe: b\n",
            "a.yaml:2:1: name: this key is here twice\n"
            "a.yaml:3:1: kind: input should be 'cat' or 'dog'\n"
            "a.yaml:6:5: legs.0.shoe: this key is here twice",
        ),
        ("tail: {shoe: a}\ntail: {shoe: b}\nname: x\n", "a.yaml:2:1: tail: this key is here twice"),
        ("name: {a: 1}\n", "a.yaml:1:1: name: expected text, this is a mapping"),
        ("name: no\n", "a.yaml:1:1: name: expected text, this is true or false: put it in quotes"),
        ("name:\n", "a.yaml:1:1: name: expected text, this is empty"),
        ("name: 2024-05-01\n", "a.yaml:1:1: name: expected text, this is a date: put it in quotes"),
        ("name: x\ntail: [a]\n", "a.yaml:2:1: tail: expected a mapping of keys, this is a list"),
        (
            "name: x\nkind: 2024-13-01\n",
            "a.yaml:2:7: not valid YAML: this looks like 'timestamp' and is none: put it in quotes if it is text",
        ),
        (
            f"name: {'9' * 5000}\n",
            "a.yaml:1:7: not valid YAML: this looks like 'int' and is none: put it in quotes if it is text",
        ),
        (
            "name: !!bool maybe\n",
            "a.yaml:1:7: not valid YAML: this looks like 'bool' and is none: put it in quotes if it is text",
        ),
        (
            "name: x\n---\nname: y\n",
            "a.yaml:2:1: not valid YAML: expected a single document in the stream, but found another document",
        ),
        (
            "a: &a [x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in itertools.pairwise("abcdefg")),
            "a.yaml:1:4: not valid YAML: aliases of aliases of this stand for too many values",
        ),
        (
            "name: x: y\n",
            "a.yaml:1:8: not valid YAML: mapping values are not allowed here: put a text with a colon in "
            "it in quotes, or under `>`",
        ),
        ("name: &x [*x]\n", "a.yaml: nested too deeply"),
        ("name: " + "[" * 5000, "a.yaml: nested too deeply"),
        ("", "a.yaml:1:1: expected a mapping of keys, this is empty"),
        ("# only a comment\n", "a.yaml:1:1: expected a mapping of keys, this is empty"),
        ("- name: x\n", "a.yaml:1:1: expected a mapping of keys, this is a list"),
        ("just words\n", "a.yaml:1:1: expected a mapping of keys, this is text"),
        ("name: x\n1: y\n", "a.yaml:2:1: 1: a key is text: put it in quotes"),
    ],
)
def test_an_error_says_where_and_what(text: str, message: str) -> None:
    assert wrong(text) == message


def test_all_errors_at_once_in_the_order_of_the_file() -> None:
    text = "zebra: 1\nkind: cow\ntail:\n  length: -1\nlegs:\n  - shoe: 3\n    sole: 4\nname: [x]\n"
    assert wrong(text).splitlines() == [
        "a.yaml:1:1: zebra: unknown key; known: friends, kind, legs, name, tail",
        "a.yaml:2:1: kind: input should be 'cat' or 'dog'",
        "a.yaml:3:1: tail.shoe: this key is required",
        "a.yaml:4:3: tail.length: input should be greater than 0",
        "a.yaml:6:5: legs.0.shoe: expected text, this is a number: put it in quotes",
        "a.yaml:7:5: legs.0.sole: unknown key; did you mean 'shoe'?",
        "a.yaml:8:1: name: expected text, this is a list",
    ]


def test_a_good_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes("\ufeffname: Zoë\nlegs: [{shoe: a}, {shoe: b, length: 2}]\n".encode())
    animal = Source.read(path).validate(Animal)
    assert animal == Animal(name="Zoë", legs=[Leg(shoe="a"), Leg(shoe="b", length=2)])


def test_a_key_may_be_overridden_where_yaml_says_so() -> None:
    source = Source.parse("friends: {b: &b {shoe: x, length: 3}, c: {<<: *b, shoe: y}}\nname: z\n", "a.yaml")
    assert source.validate(Animal).friends["c"] == Leg(shoe="y", length=3)


def test_a_place_inside_something_unknown_is_the_nearest_thing_that_contains_it() -> None:
    source = Source.parse("legs:\n  - shoe: x\n", "a.yaml")
    assert source.where(("legs", 0, "shoe")) == "a.yaml:2:5"
    assert source.where(("legs", 0, "sole", "colour")) == "a.yaml:2:5"
    assert source.where(("legs", 7)) == "a.yaml:1:1"
    assert source.where(()) == "a.yaml:1:1"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    with pytest.raises(ConfigError) as caught:
        Source.read(path)
    assert str(caught.value) == f"{path}: no such file"
    path.write_bytes(b"name: \xff\n")
    with pytest.raises(ConfigError) as caught:
        Source.read(path)
    assert str(caught.value) == f"{path}:1:7: not UTF-8 at byte 6: save the file as UTF-8"
    with pytest.raises(ConfigError) as caught:
        Source.read(tmp_path)
    assert str(caught.value) == f"{tmp_path}: Is a directory"


def read(path: Path) -> Source | str:
    try:
        return Source.read(path)
    except ConfigError as error:
        return str(error)


def test_libyaml_and_python_read_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data, places and faults, of all that ships and of all that is broken here."""
    files = sorted([*data_folder("constitutions").glob("*.yaml"), *Path(__file__).parent.glob("broken/**/*.yaml")])
    if not yaml.__with_libyaml__:
        pytest.skip("PyYAML without libyaml")
    fast = [read(path) for path in files]
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    assert fast == [read(path) for path in files]
    assert len(files) > 50
