"""docs/principles.md: its commands run and print what it shows, and its tables list every key."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from constitutional.config.schema import ConstitutionFile, ExampleFile, PrincipleFile, TierFile
from constitutional.resources import shipped_names

PAGE = (Path(__file__).parents[2] / "docs" / "principles.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def rows(title: str) -> list[list[str]]:
    found = re.search(rf"^##+ {title}\n(.*?)(?=^##|\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert found
    lines = [line for line in found[1].splitlines() if line.startswith("| `")]
    return [[cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


@pytest.mark.parametrize(
    ("title", "model"),
    [
        ("The file", ConstitutionFile),
        ("A tier", TierFile),
        ("A principle", PrincipleFile),
        ("An example", ExampleFile),
    ],
)
def test_every_key_is_listed_with_its_default(title: str, model: type[BaseModel]) -> None:
    def shown(name: str) -> str:
        field = model.model_fields[name]
        if field.is_required():
            return "required"
        if field.default is None:
            return "none"
        value = {} if isinstance(field.default, BaseModel) else field.default
        return str(yaml.safe_dump(value)).split("\n")[0]

    assert {row[0]: row[2] for row in rows(title)} == {name: shown(name) for name in model.model_fields}


def test_every_shipped_constitution_is_listed() -> None:
    assert sorted(row[0] for row in rows("What ships")) == sorted(shipped_names("constitutions", ".yaml"))


@pytest.mark.slow
def test_every_command_runs_and_prints_what_the_page_shows(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "CONSTITUTIONAL_PLUGINS": ""}
    blocks = [(kind, text) for kind, text in BLOCK.findall(PAGE) if kind in ("sh", "text")]
    said, ran = "", 0
    for kind, text in blocks:
        if kind == "text":
            assert said == text
            continue
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        said, ran = done.stdout, ran + 1
    assert ran >= 10
