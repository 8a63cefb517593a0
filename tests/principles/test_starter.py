from __future__ import annotations

from pathlib import Path

import pytest

from constitutional.config.constitution import load_constitution
from constitutional.errors import UsageError
from constitutional.principles.lint import lint
from constitutional.principles.starter import starter
from constitutional.principles.writing import checked_name, name_from, write_new
from constitutional.resources import data_folder


def test_it_loads_is_lint_clean_and_shows_every_force(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    write_new(path, starter("mine", "mine.yaml"))
    constitution = load_constitution(path)
    assert constitution.name == "mine"
    assert [tier.force for tier in constitution.tiers] == ["hard", "strong", "soft"]
    assert all(principle.examples for _, principle in constitution)
    assert lint(path) == []


def test_the_schema_lies_beside_it(tmp_path: Path) -> None:
    write_new(tmp_path / "mine.yaml", starter("mine", "mine.yaml"))
    schema = "constitution.schema.json"
    assert (tmp_path / schema).read_bytes() == (data_folder("constitutions") / schema).read_bytes()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("precious")
    (tmp_path / "constitution.schema.json").write_text("mine too")
    with pytest.raises(UsageError, match=r"mine\.yaml exists"):
        write_new(tmp_path / "mine.yaml", "x")
    assert (tmp_path / "mine.yaml").read_text() == "precious"
    write_new(tmp_path / "other.yaml", "x")
    assert (tmp_path / "constitution.schema.json").read_text() == "mine too"


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    write_new(tmp_path / "none" / "mine.yaml", "x")
    assert (tmp_path / "none" / "mine.yaml").read_text() == "x"


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "名", "a\n"])
def test_a_name_that_no_file_could_have_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is no name"):
        checked_name(name)


@pytest.mark.parametrize(
    ("file", "name"), [("My rules (v2).json", "My-rules-v2"), ("准则.txt", "imported"), ("a.b.txt", "a.b"), (".x", "x")]
)
def test_a_name_is_made_of_a_files(file: str, name: str) -> None:
    assert name_from(Path(file)) == name
    assert checked_name(name) == name
