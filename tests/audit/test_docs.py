"""docs/judges.md: its commands run, one after the other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "judges.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.slow
def test_every_command_runs(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "CONSTITUTIONAL_PLUGINS": ""}
    said = ""
    for text in BLOCK.findall(PAGE):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        said += done.stdout
    assert "pairwise-logprob of scripted:demo: MAY NOT label" in said, "three labels prove nothing"
    assert "pairwise-logprob of scripted:demo: may label" in said, "the run's own pairs"
    assert "sheet.csv: 12 pairs, drawn by stratified" in said
    assert "commonest closing, chosen" in said
