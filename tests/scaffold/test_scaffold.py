"""What `plugins new` writes, untouched: its tests, ruff, and mypy in strict mode, of every kind."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from constitutional.errors import UsageError
from constitutional.plugins import KINDS
from constitutional.scaffold import LONGEST, module_of, package, write_package

ROOT = Path(__file__).parents[2]
NAMES = {kind: f"my-{kind}" for kind in KINDS} | {"judge": "a" + "-very-long-name-for-a-judge"}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All eight, side by side."""
    folder = tmp_path_factory.mktemp("scaffold")
    for kind, name in NAMES.items():
        write_package(name, kind, folder / name)
    return folder


def ran(written: Path, *arguments: str) -> str:
    """All packages can be imported, as if they were installed."""
    path = os.pathsep.join([str(ROOT), *(str(written / name) for name in NAMES.values())])
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=written, env=os.environ | {"PYTHONPATH": path, "MYPYPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_each_is_formatted_and_linted_by_its_own_settings(written: Path) -> None:
    ran(written, "ruff", "check", "--no-cache", ".")
    ran(written, "ruff", "format", "--no-cache", "--check", ".")


@pytest.mark.slow
def test_each_passes_its_own_tests(written: Path) -> None:
    tests = [str(written / name / "tests") for name in NAMES.values()]
    plugin = ("-p", "constitutional.testing.plugin", "-p", "no:cacheprovider")
    said = ran(
        written, "pytest", "-q", "--strict-markers", *plugin, "-c", os.devnull, "--rootdir", str(written), *tests
    )
    assert " passed" in said
    assert "skipped" not in said


@pytest.mark.slow
def test_each_is_typed_strictly(written: Path, tmp_path: Path) -> None:
    """One call, so that what they share is read once; the toolkit as it is seen where it is installed."""
    (override,) = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]["overrides"]
    settings = (
        "[mypy]\nstrict = true\n"
        "[mypy-constitutional.*]\nfollow_imports = silent\n"
        f"[mypy-{','.join(override['module'])}]\nfollow_imports = skip\nignore_missing_imports = true\n"
    )
    (tmp_path / "mypy.ini").write_text(settings)
    parts = [str(written / name / part) for name in NAMES.values() for part in (module_of(name), "tests")]
    config = ("--config-file", str(tmp_path / "mypy.ini"), "--cache-dir", str(tmp_path / "cache"))
    assert "Success" in ran(written, "mypy", *config, *parts)


@pytest.mark.parametrize("kind", KINDS)
def test_the_package_is_whole(kind: str) -> None:
    files = package(f"my-{kind}", kind)
    module = f"my_{kind}"
    assert {
        "pyproject.toml",
        "README.md",
        f"{module}/__init__.py",
        f"{module}/py.typed",
        f"tests/test_{module}.py",
    } <= set(files)
    project = tomllib.loads(files["pyproject.toml"])
    assert project["project"]["entry-points"]["constitutional"] == {module: module}
    assert not [name for name, text in files.items() if "<<" in text or ">>" in text]


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("My-Judge", "judge", "is no name for a package"),
        ("my_judge", "judge", "is no name for a package"),
        ("", "judge", "is no name for a package"),
        ("j" * (LONGEST + 1), "judge", "at most 40 characters"),
        ("json", "judge", "choose another, such as json-judge"),
        ("class", "judge", "choose another"),
        ("constitutional", "judge", "choose another"),
        ("panel", "judge", "ships with the toolkit: choose another name, such as my-panel"),
        ("mine", "jugde", "is no kind of plugin"),
    ],
)
def test_a_name_that_cannot_work_is_said(name: str, kind: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        write_package(name, kind, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").write_text("mine")
    with pytest.raises(UsageError, match="exists: give another name"):
        write_package("mine", "judge", tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes"]
