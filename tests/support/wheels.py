"""Packages built as wheels and installed in an environment of their own, within seconds and without the network.

Wheels come from the hook of the build backend that `pip` would call. An environment sees the heavy packages of this one
through a path file, so that nothing is downloaded again; not the checkout, as path files of other folders are not read."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterable, Mapping
from pathlib import Path

BUILD = """\
import os, sys
from hatchling.build import build_wheel
for root in sys.argv[2:]:
    os.chdir(root)
    build_wheel(sys.argv[1])
"""
HIDDEN = ("PYTHON", "VIRTUAL_ENV", "CONSTITU")


def build(roots: Iterable[Path], into: Path) -> list[Path]:
    """The wheels of these projects."""
    into.mkdir(exist_ok=True)
    call(sys.executable, "-c", BUILD, into, *roots, cwd=into)
    return sorted(into.glob("*.whl"))


def environment(folder: Path, wheels: Iterable[Path]) -> Path:
    """The folder of the programs of an environment with these wheels."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    call(*pip, "install", "--quiet", "--no-deps", "--no-index", *wheels, cwd=folder)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "heavy.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


def call(*arguments: str | Path, cwd: Path, **more: str) -> str:
    """Its standard output. No variable that could lead back to the checkout is passed on."""
    made = ran(*arguments, cwd=cwd, **more)
    assert made.returncode == 0, made.stderr
    return made.stdout


def ran(*arguments: str | Path, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, cwd=cwd, env=variables(more), capture_output=True, text=True, check=False, timeout=280
    )


def variables(more: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN)} | dict(more)
