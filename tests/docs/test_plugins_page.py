"""docs/plugins.md, followed line by line by somebody who has the toolkit's wheel and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.test_docs import BLOCK, page
from tests.support.wheels import environment, variables

PLACES = ("short_judge.py", "pyproject.toml", "asking_judge/asking_judge.py", "tests/test_short_judge.py")
"""Where the files of the page go, in their order: Python and TOML."""
PIP = """\
#!/bin/sh
test "$1" = install || exit 2
shift
exec {python} -m pip --python {env}/bin/python --disable-pip-version-check install --quiet --no-deps --no-index \\
  --no-build-isolation --force-reinstall --target {site} --upgrade "$@"
"""
MODULE = '#!/bin/sh\nexec {env}/bin/python -m {name} "$@"\n'


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment whose `pip` installs what is there and downloads nothing."""
    folder = tmp_path_factory.mktemp("page") / "env"
    made = environment(folder, [wheel])
    (site,) = folder.glob("lib/python*/site-packages")
    scripts = {"pip": PIP} | {"pytest": MODULE}
    for name, text in scripts.items():
        (made / name).write_text(text.format(python=sys.executable, env=folder, site=site, name=name))
        (made / name).chmod(0o755)
    (made / "ruff").symlink_to(Path(sys.executable).parent / "ruff")
    return made


def commands(text: str) -> list[str]:
    return [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]


@pytest.mark.slow
def test_the_tutorial_runs_from_ten_lines_to_a_wheel(programs: Path, tmp_path: Path) -> None:
    blocks = BLOCK.findall(page("docs/plugins.md"))
    files = [text for kind, text in blocks if kind in ("python", "toml")]
    assert len(files) == len(PLACES)
    for place, text in zip(PLACES, files, strict=True):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text(text)
    shown = [commands(text) for kind, text in blocks if kind == "console"]
    assert {kind for kind, _ in blocks} == {"python", "toml", "console"}
    assert all(shown)
    said = "".join(run(programs, tmp_path, "\n".join(block)) for block in shown)
    assert "The shorter answer is better, whatever the principle says." in said
    assert "ok       is-symmetric" in said
    assert "my_judge-0.1.0-py3-none-any.whl" in said
    assert re.search(r"^  short +short-judge 0\.1\.0$", said, re.MULTILINE)
    run(programs, tmp_path, "pytest -q -c /dev/null --rootdir . tests")


@pytest.mark.slow
def test_the_judge_that_asks_a_model_conforms(programs: Path, tmp_path: Path) -> None:
    (tmp_path / "asking_judge.py").write_text(
        [text for kind, text in BLOCK.findall(page("docs/plugins.md")) if kind == "python"][1]
    )
    code = (
        "from constitutional.testing import Subject, examine;"
        "print([one for one in examine(Subject('judge', 'asking', 'asking_judge')) if one.said == 'fault'])"
    )
    assert run(programs, tmp_path, f'PYTHONPATH=. python -c "{code}"') == "[]\n"


def run(programs: Path, folder: Path, commands: str) -> str:
    path = f"{programs}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder, env=variables({"PATH": path}), capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
    return done.stdout
