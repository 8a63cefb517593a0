"""docs/evaluation.md: its commands run, one after the other, and every measure is on it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from constitutional.evaluation.measures import KINDS

PAGE = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_every_measure_is_described() -> None:
    assert [name for name in KINDS if f"`{name}`" not in PAGE] == []


@pytest.mark.slow
def test_every_command_runs(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "CONSTITUTIONAL_PLUGINS": ""}
    said = ""
    for language, text in BLOCK.findall(PAGE):
        command = ["bash", "-euo", "pipefail", "-c"] if language == "sh" else [sys.executable, "-c"]
        done = subprocess.run(
            [*command, text], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        said += done.stdout
    worse = said[said.index("got worse") :]
    assert re.search(r"^  over_refusal +0\.000 +0\.500 ", worse, re.MULTILINE)
    assert "  distinct_2 " in worse
    assert "NO  over_refusal<0.02" in said
    assert "exit code 1" in said
    assert "constitutional export runs/judge-answers --format answers" in said
    assert "score:rules" in json.loads((tmp_path / "with-rules.json").read_text())["measures"]["tuned"]
    assert "Measured(value=0.5" in said
