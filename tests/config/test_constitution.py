from __future__ import annotations

from pathlib import Path

import pytest

from constitutional.config.constitution import constitution_digest, find_constitution, load_constitution
from constitutional.config.schema import SCHEMA
from constitutional.core.constitution import Constitution, Example, Principle, Tier
from constitutional.errors import ConfigError, UnknownNameError
from constitutional.resources import data_folder, shipped_names

GOOD = """\
name: kind
version: 2.1.0
tiers:
  - id: safety
    force: hard
    principles:
      - id: no-harm
        statement: >
          The answer hurts
          nobody.
        weight: 2
        when: {tags: [medical], unless: [fiction]}
        examples:
          - {prompt: How, response: Like this., verdict: violates}
  - id: style
    force: soft
    tolerance: 0.1
    principles:
      - {id: brief, statement: Short., critique: How long, revision: Cut it, prefer: Which is shorter}
contexts:
  medical: {safety: 2.0, brief: 0}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "c.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def wrong(folder: Path, *changes: tuple[str, str]) -> str:
    """What is said of the good file with some of its text changed."""
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    with pytest.raises(ConfigError) as caught:
        load_constitution(write(folder, text))
    return str(caught.value).replace(str(folder) + "/", "")


def test_a_file_becomes_a_constitution(tmp_path: Path) -> None:
    assert load_constitution(write(tmp_path, GOOD)) == Constitution(
        "kind",
        "2.1.0",
        (
            Tier(
                "safety",
                "hard",
                (
                    Principle(
                        "no-harm",
                        "The answer hurts nobody.",
                        weight=2.0,
                        tags=frozenset({"medical"}),
                        unless=frozenset({"fiction"}),
                        examples=(Example("How", "Like this.", "violates"),),
                    ),
                ),
            ),
            Tier("style", "soft", (Principle("brief", "Short.", "How long", "Cut it", "Which is shorter"),), 0.1),
        ),
        {"medical": {"safety": 2.0, "brief": 0.0}},
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "statement: Short.",
            "statment: Short.",
            "c.yaml:19:9: tiers.1.principles.0.statement: this key is required\n"
            "c.yaml:19:21: tiers.1.principles.0.statment: unknown key; did you mean 'statement'?",
        ),
        ("statement: Short.", 'statement: " "', "c.yaml:19:21: tiers.1.principles.0.statement: this text is empty"),
        ("force: soft", "force: weak", "c.yaml:16:5: tiers.1.force: input should be 'hard', 'strong' or 'soft'"),
        ("    force: soft\n", "", "c.yaml:15:5: tiers.1.force: this key is required"),
        ("tolerance: 0.1", "tolerance: 0.5", "c.yaml:17:5: tiers.1.tolerance: input should be less than 0.5"),
        ("weight: 2", "weight: 0", "c.yaml:11:9: tiers.0.principles.0.weight: input should be greater than 0"),
        ("weight: 2", "weight: .inf", "c.yaml:11:9: tiers.0.principles.0.weight: input should be a finite number"),
        (
            "weight: 2",
            "weight: heavy",
            "c.yaml:11:9: tiers.0.principles.0.weight: expected a number, this is text",
        ),
        ("tags: [medical]", "tag: [medical]", "c.yaml:12:16: tiers.0.principles.0.when.tag: unknown key; did you mean "
         "'tags'?"),
        (
            "verdict: violates",
            "verdict: bad",
            "c.yaml:14:49: tiers.0.principles.0.examples.0.verdict: input should be 'upholds' or 'violates'",
        ),
        (
            "id: brief",
            "id: not brief",
            "c.yaml:19:10: tiers.1.principles.0.id: 'not brief' is no id: letters, digits, '-', '_' and '.', the first "
            "a letter or a digit\n"
            "c.yaml:21:26: contexts.medical.brief: no tier or principle has this id; did you mean 'not brief'?",
        ),
        ("safety: 2.0", "safety: -2", "c.yaml:21:13: contexts.medical.safety: input should be greater than or equal "
         "to 0"),
        (
            "safety: 2.0",
            "saftey: 2.0",
            "c.yaml:21:13: contexts.medical.saftey: no tier or principle has this id; did you mean 'safety'?",
        ),
        ("id: style", "id: safety", "c.yaml:15:5: tiers.1.id: tier 'safety' is here twice"),
        ("id: brief", "id: no-harm", "c.yaml:19:10: tiers.1.principles.0.id: principle 'no-harm' is here twice\n"
         "c.yaml:21:26: contexts.medical.brief: no tier or principle has this id; known: no-harm, safety, style"),
        ("    force: soft\n", "    force: soft\n    force: hard\n", "c.yaml:17:5: tiers.1.force: this key is here twice"),
        ("name: kind\n", "", "c.yaml:1:1: name: this key is required"),
    ],
)  # fmt: skip
def test_an_error_says_where_and_what(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert wrong(tmp_path, (old, new)) == message


def test_all_errors_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = wrong(tmp_path, ("weight: 2", "wieght: 2"), ("tolerance: 0.1", "tolerance: x"), ("name: kind", "name: 5"))
    assert [line.partition(" ")[0] for line in found.splitlines()] == ["c.yaml:1:1:", "c.yaml:11:9:", "c.yaml:17:5:"]


def test_problems_with_ids_too_are_in_the_order_of_the_file(tmp_path: Path) -> None:
    contexts = "contexts:\n  medical: {nothing: 2.0}\n"
    first = (
        GOOD[: GOOD.index("contexts:")].replace("tiers:\n", contexts + "tiers:\n").replace("id: brief", "id: no-harm")
    )
    with pytest.raises(ConfigError) as caught:
        load_constitution(write(tmp_path, first))
    lines = [line.removeprefix(f"{tmp_path}/") for line in str(caught.value).splitlines()]
    assert lines == [
        "c.yaml:4:13: contexts.medical.nothing: no tier or principle has this id; known: no-harm, safety, style",
        "c.yaml:21:10: tiers.1.principles.0.id: principle 'no-harm' is here twice",
    ]


def test_a_constitution_without_tiers_or_principles_is_none(tmp_path: Path) -> None:
    for text, message in (
        ("name: x\ntiers: []\n", "c.yaml:2:1: tiers: this list is empty"),
        (
            "name: x\ntiers:\n  - {id: a, force: hard, principles: []}\n",
            "c.yaml:3:26: tiers.0.principles: this list is empty",
        ),
        ("", "c.yaml:1:1: expected a mapping of keys, this is empty"),
        ("- id: a\n", "c.yaml:1:1: expected a mapping of keys, this is a list"),
    ):
        with pytest.raises(ConfigError) as caught:
            load_constitution(write(tmp_path, text))
        assert str(caught.value) == f"{tmp_path}/{message}"


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(b"name: caf\xe9\n")
    with pytest.raises(ConfigError) as caught:
        load_constitution(path)
    assert str(caught.value) == f"{path}:1:10: not UTF-8 at byte 9: save the file as UTF-8"


def test_an_unknown_name_lists_near_matches(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError) as caught:
        find_constitution("bse", tmp_path)
    assert str(caught.value) == "no constitution 'bse': neither a file nor a shipped name; did you mean 'base'?"


def test_a_file_goes_before_a_shipped_name(tmp_path: Path) -> None:
    assert find_constitution("base", tmp_path).name == "base.yaml"
    (tmp_path / "base").write_text(GOOD)
    assert find_constitution("base", tmp_path) == tmp_path / "base"


@pytest.mark.parametrize("name", shipped_names("constitutions", ".yaml"))
def test_every_shipped_constitution_is_sound(name: str, tmp_path: Path) -> None:
    constitution = load_constitution(find_constitution(name, tmp_path))
    assert constitution.name == name
    assert all(principle.statement.endswith((".", "。")) for _, principle in constitution)


def test_base_is_shipped() -> None:
    assert "base" in shipped_names("constitutions", ".yaml")


def test_every_shipped_constitution_names_its_schema_on_its_first_line() -> None:
    for name in shipped_names("constitutions", ".yaml"):
        with (data_folder("constitutions") / f"{name}.yaml").open(encoding="utf-8") as file:
            assert next(file) == f"# yaml-language-server: $schema={SCHEMA}\n", name


def digest_of(folder: Path, text: str) -> str:
    return constitution_digest(load_constitution(write(folder, text)))


def test_the_digest_is_of_the_rules_and_not_of_how_they_are_written(tmp_path: Path) -> None:
    same = GOOD.replace("tags: [medical], unless: [fiction]", "unless: [fiction], tags: [medical]")
    same = same.replace("version: 2.1.0", "version: 3.0.0 # new").replace("name: kind", "name: other")
    assert digest_of(tmp_path, same) == digest_of(tmp_path, GOOD)
    assert digest_of(tmp_path, GOOD) == "8dee776e2c245bace719436a4a3e8eba", "runs made before would not be recognised"
    silent = GOOD.replace("name: kind\n", "name: kind\nlint: {ignore: [negation]}\ndescription: Hi.\nmode: tiered\n")
    silent = silent.replace("weight: 2", "weight: 2.0\n        lint_ignore: [vague]").replace("Like this.", "So.")
    assert digest_of(tmp_path, silent + "  chat: {}\n") == digest_of(tmp_path, GOOD)
    changes = [
        ("hurts", "harms"), ("weight: 2", "weight: 3"), ("force: hard", "force: strong"), ("0.1", "0.2"),
        ("{id: brief", "{judge: words, id: brief"), ("{id: brief", "{critic: words, id: brief"),
        ("statement: Short.", "judge: {plugin: words, options: {most: 1}}, statement: Short."),
        ("name: kind\n", "name: kind\nmode: draw\n"), ("name: kind\n", "name: kind\nmode: all\n"),
        ("name: kind\n", "name: kind\non_unresolved: refuse\n"),
        ("[fiction]", "[novel]"), ("[medical]", "[law]"), ("How long", "How"), ("Cut it", "Cut."),
        ("Which is shorter", "Which"), ("brief: 0", "brief: 1"), ("id: style", "id: manner"),
    ]  # fmt: skip
    found = [digest_of(tmp_path, GOOD.replace(old, new)) for old, new in changes]
    assert len({digest_of(tmp_path, GOOD), *found}) == 1 + len(changes)
