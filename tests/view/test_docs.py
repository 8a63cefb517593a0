"""docs/report.md and docs/view.md: their commands run, and their pictures are there and small."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.make_screenshots import IMAGES, LARGEST
from tests.support.viewer import Viewing

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PICTURE = re.compile(r"images/[\w-]+\.png")


@pytest.mark.slow
def test_the_commands_of_the_reports_page_run(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for text in BLOCK.findall((DOCS / "report.md").read_text("utf-8")):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=tmp_path, env=os.environ | {"PATH": path, "CONSTITUTIONAL_PLUGINS": ""},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs/demo/report.html").is_file()
    assert (tmp_path / "plots/flow.png").is_file()


@pytest.mark.parametrize("name", ["report.md", "view.md"])
def test_pictures_are_there_and_small(name: str) -> None:
    named = set(PICTURE.findall((DOCS / name).read_text("utf-8")))
    assert named
    for picture in named:
        assert (DOCS / picture).stat().st_size <= LARGEST
    assert {path.name for path in IMAGES.glob(f"{name[:4]}*.png")} == {Path(one).name for one in named}


def test_every_key_on_the_page_is_on_the_docs_page(page: Viewing) -> None:
    shown = set(re.findall(r"<kbd>(.+?)</kbd>", page.get("0/").text.partition('id="help"')[2]))
    described = set(re.findall(r"`(\S+?)`", (DOCS / "view.md").read_text("utf-8").partition("## Keys")[2]))
    assert shown <= described
