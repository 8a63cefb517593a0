"""The JSON Schema for editors: in step with the models, and saying what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from constitutional.config.schema import SCHEMA, json_schema
from constitutional.resources import data_folder, shipped_names

FOLDER = data_folder("constitutions")
BROKEN = Path(__file__).parent / "broken"
SHAPES = ("key-unknown", "key-missing", "example-", "id-with", "id-number", "force-", "tolerance-", "weight-z", "mode-")
FITS = {"key-missing-force", "key-missing-principles", "example-same-texts"}
"""What only the loader can know."""


def test_the_shipped_schema_is_that_of_the_models() -> None:
    assert (FOLDER / SCHEMA).read_text(encoding="utf-8") == json_schema(), "run: python -m constitutional.config.schema"


def test_it_is_no_constitution() -> None:
    assert not [name for name in shipped_names("constitutions", ".yaml") if "schema" in name]


def test_the_module_writes_it(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "constitutional.config.schema", tmp_path / "s.json"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert made.stdout == f"{tmp_path}/s.json\n"
    assert (tmp_path / "s.json").read_text(encoding="utf-8") == json_schema()


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for inner in schema.values():
            yield from objects(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from objects(inner)


def test_every_key_says_what_it_is_for_and_every_object_is_closed() -> None:
    found = list(objects(json.loads(json_schema())))
    assert len(found) == 7
    for item in found:
        assert item["additionalProperties"] is False
        for key, about in item["properties"].items():
            assert about.get("description"), key
    assert "null" not in json_schema()


def errors(path: Path) -> list[str]:
    jsonschema = pytest.importorskip("jsonschema")
    checker = jsonschema.Draft7Validator(json.loads(json_schema()))
    return [error.message for error in checker.iter_errors(yaml.safe_load(path.read_text(encoding="utf-8")))]


@pytest.mark.parametrize("name", shipped_names("constitutions", ".yaml"))
def test_what_ships_fits_it(name: str) -> None:
    assert errors(FOLDER / f"{name}.yaml") == []


@pytest.mark.parametrize("name", [path.stem for path in sorted(BROKEN.glob("*.yaml")) if path.stem.startswith(SHAPES)])
def test_an_editor_shows_most_faults_while_typing(name: str) -> None:
    assert bool(errors(BROKEN / f"{name}.yaml")) == (name not in FITS)
