"""A newcomer finds what there is: pages and heads of big packages say of the tree what is true of it."""

from __future__ import annotations

import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from tests.docs.test_docs import ROOT, page

PACKAGE = ROOT / "constitutional"


def modules(folder: Path) -> set[str]:
    """Those of a folder and its packages."""
    found = {path.stem for path in folder.glob("*.py")} | {
        f"{path.parent.name}/" for path in folder.glob("*/__init__.py")
    }
    return found - {"__init__", "__main__"}


def test_the_design_shows_every_part_of_the_package() -> None:
    layout = page("docs/design.md").partition("    constitutional/\n")[2].partition("    constitutions/ ")[0]
    shown = re.findall(r"^ {6}([a-z]\w*)(\.py|/)", layout, re.MULTILINE)
    assert {name + ("/" if kind == "/" else "") for name, kind in shown} == modules(PACKAGE)


def test_the_design_says_which_way_imports_go() -> None:
    contract = tomllib.loads(page("pyproject.toml"))["tool"]["importlinter"]["contracts"][0]
    layers = [set(re.findall(r"constitutional\.(\w+)", layer)) for layer in contract["layers"]]
    (said,) = re.findall(r"Imports flow one way: `(.*?)`", page("docs/design.md"), re.DOTALL)
    assert [set(re.findall(r"\w+", layer)) for layer in said.split("→")] == layers
    public = {"hookspecs", "cli/"}
    assert {name.rstrip("/") for name in modules(PACKAGE) - public} | {"cli"} == set().union(*layers)


BIG = (
    "audit", "core", "dataset", "evaluation", "ledger", "models", "pipeline", "pocket", "training", "training.trainers",
    "view",
)  # fmt: skip


@pytest.mark.parametrize("package", BIG)
def test_the_head_of_a_big_package_names_every_module(package: str) -> None:
    said = import_module(f"constitutional.{package}").__doc__ or ""
    named, there = set(re.findall(r"``(\w+/?)``", said)), modules(PACKAGE / package.replace(".", "/"))
    assert named == there, f"say in the __init__.py of {package} what each of its modules is for"


@pytest.mark.parametrize("folder", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_every_page_is_linked_from_the_front_page(folder: str) -> None:
    assert f"(docs/{folder})" in page("README.md")


def test_tests_mirror_the_package() -> None:
    beside = {"docs", "support"}
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/__init__.py")} - beside
    assert folders <= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
