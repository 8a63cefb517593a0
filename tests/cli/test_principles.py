from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from constitutional.principles.lint import RULES
from tests.cli.conftest import Cli

KIND = """\
name: mine
tiers:
  - id: style
    force: soft
    principles:
      - id: kind
        statement: The answer is kind.
        examples:
          - {prompt: "Where?", better: By the door, worse: Nowhere}
"""
SOURCED = KIND.replace("The answer is kind.", "The answer names its source.")


def test_without_a_command_the_help_is_shown_and_nothing_heavy_is_loaded() -> None:
    code = (
        "import sys; sys.argv = ['constitutional', 'principles', '--help']\n"
        "from constitutional.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([name for name in ('pydantic', 'pluggy', 'yaml', 'jinja2') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "lint" in said
    assert said.splitlines()[-1] == "[]"


@pytest.mark.parametrize("arguments", ["list", "show base", "lint base", "diff base honest"])
def test_what_reads_files_alone_loads_nothing_that_makes_data(arguments: str) -> None:
    made = ("constitutional.builtin", "constitutional.ledger", "asyncio", "jinja2", "sqlite3")
    code = (
        f"import sys; sys.argv = ['constitutional', 'principles', *{arguments!r}.split()]\n"
        "from constitutional.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print([name for name in {made!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.splitlines()[-1], done.stderr) == ("[]", "")


def test_an_unknown_command_names_the_near_one(cli: Cli) -> None:
    done = cli("principles", "lnt")
    assert done.code == 2
    assert "did you mean 'lint'?" in done.err


def test_list_shows_what_ships(cli: Cli) -> None:
    done = cli("principles", "list")
    assert done.code == 0
    lines = {line.split()[0]: line for line in done.out.splitlines()}
    assert {"base", "helpful-harmless", "medical", "zh-hans"} <= lines.keys()
    assert re.search(r"1\.0\.0 +6 principles in 3 tiers +Six rules", lines["base"])


def test_list_as_json(cli: Cli) -> None:
    rows = {row["name"]: row for row in cli("principles", "list", "--json").json}
    assert rows["medical"]["tiers"][0] == {"id": "protect", "force": "hard"}
    assert rows["paper"]["mode"] == "draw"
    assert rows["base"]["principles"] == 6
    assert rows["base"]["provided_by"] is None
    assert "准则" in rows["zh-hans"]["description"]


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A plugin that provides two constitutions, one of them broken."""
    about = tmp_path / "house_rules-1.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: house-rules\nVersion: 1.2\n")
    (about / "entry_points.txt").write_text("[constitutional]\nhouse = house_rules\n")
    (tmp_path / "good.yaml").write_text(SOURCED.replace("name: mine", "name: house\ndescription: Ours."))
    (tmp_path / "bad.yaml").write_text("nme: x\n")
    (tmp_path / "house_rules.py").write_text(
        "from pathlib import Path\n"
        "from constitutional import hookimpl\n"
        "@hookimpl\n"
        "def register_constitutions(register):\n"
        "    register('house', lambda: Path(__file__).with_name('good.yaml'))\n"
        "    register('broken', lambda: Path(__file__).with_name('bad.yaml'))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return "house"


def test_what_a_plugin_provides_is_listed_shown_and_linted(
    cli: Cli, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONSTITUTIONAL_PLUGINS", provider)
    listed = {line.split()[0]: line for line in cli("principles", "list").out.splitlines()}
    assert listed["house"].endswith("Ours.  (house-rules)")
    assert "unknown key; did you mean 'name'?" in listed["broken"]
    assert cli("principles", "show", "house").out.startswith("house 0\n")
    assert cli("principles", "lint", "house").code == 0
    rows = {row["name"]: row for row in cli("principles", "list", "--json").json}
    assert rows["house"]["provided_by"] == "house-rules"
    assert "error" in rows["broken"]


def test_show_prints_a_tree_a_graph_or_data(cli: Cli) -> None:
    Path("mine.yaml").write_text(SOURCED.replace("tiers:", "extends: [base]\ntiers:", 1))
    tree = cli("principles", "show", "mine.yaml").out
    assert "   honest  ← base\n" in tree
    assert "   kind\n" in tree
    assert cli("principles", "show", "mine.yaml", "--mermaid").out.startswith("flowchart TB\n")
    data = cli("principles", "show", "mine.yaml", "--json").json
    assert [tier["id"] for tier in data["tiers"]] == ["safety", "honesty", "style"]
    both = cli("principles", "show", "base", "--json", "--mermaid")
    assert both.code == 2
    assert "exclude each other" in both.err


@pytest.mark.parametrize("command", ["show", "lint"])
def test_an_unknown_name_lists_near_ones(cli: Cli, command: str) -> None:
    done = cli("principles", command, "medcal")
    assert done.code == 2
    assert "no constitution 'medcal'" in done.err
    assert "did you mean 'medical'?" in done.err


def test_lint_prints_place_rule_message_and_suggestion_and_exits_1(cli: Cli) -> None:
    Path("mine.yaml").write_text(KIND)
    done = cli("principles", "lint", "mine.yaml")
    assert done.code == 1
    finding, suggestion = done.out.splitlines()
    assert finding == "mine.yaml:7:9: trait-wording: kind: names a trait, not a behaviour: 'is kind'"
    assert suggestion.startswith("    say what can be seen in the answer")
    assert done.err == "findings: 1 (trait-wording); --explain RULE says more\n"


def test_lint_is_silent_about_a_good_file(cli: Cli) -> None:
    Path("mine.yaml").write_text(SOURCED)
    done = cli("principles", "lint", "mine.yaml", "base")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_lint_knows_the_judges_that_principles_name(cli: Cli) -> None:
    own = "        judge: {plugin: rules, options: {rules: [{check: nothing}]}}\n"
    Path("own.yaml").write_text(
        "name: own\nextends: [base]\ntiers:\n  - id: style\n    principles:\n      - id: short\n"
        "        statement: The answer has at most ten words.\n        lint_ignore: [no-examples]\n" + own
    )
    done = cli("principles", "lint", "own.yaml", "nowhere.yaml")
    assert done.code == 2
    assert "own.yaml:9:9: judge.options.rules.0: Input tag 'nothing' found using 'check'" in done.err
    assert "no constitution 'nowhere.yaml'" in done.err


def test_lint_as_json(cli: Cli) -> None:
    Path("mine.yaml").write_text(KIND)
    done = cli("principles", "lint", "--json", "mine.yaml")
    assert done.code == 1
    (finding,) = done.json
    assert {key: finding[key] for key in ("rule", "severity", "path", "line", "column", "principle")} == {
        "rule": "trait-wording",
        "severity": "warning",
        "path": "mine.yaml",
        "line": 7,
        "column": 9,
        "principle": "kind",
    }
    assert finding["suggestion"]


def test_a_file_that_does_not_load_keeps_no_other_from_being_checked(cli: Cli) -> None:
    Path("bad.yaml").write_text("name: bad\ntires: []\n")
    Path("mine.yaml").write_text(KIND)
    done = cli("principles", "lint", "bad.yaml", "mine.yaml")
    assert done.code == 2
    assert "trait-wording" in done.out
    assert "bad.yaml:2:1: tires: unknown key; did you mean 'tiers'?" in done.err


def test_the_rules_are_listed_and_explained(cli: Cli) -> None:
    listed = cli("principles", "lint", "--rules").out
    assert [line.split()[0] for line in listed.splitlines()] == list(RULES)
    for name, rule in RULES.items():
        explained = cli("principles", "lint", "--explain", name).out
        assert explained.startswith(f"{name} ({rule.severity})\n{rule.reason}\n")
        assert "lint_ignore: [RULE]" in explained
    data: list[dict[str, Any]] = cli("principles", "lint", "--rules", "--json").json
    assert [row["id"] for row in data] == list(RULES)
    assert cli("principles", "lint", "--explain", "negation", "--json").json["id"] == "negation"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name the files to check"),
        (("--explain", "negatoin"), "no lint rule named 'negatoin'; did you mean 'negation'?"),
        (("none.yaml",), "no constitution 'none.yaml'"),
    ],
)
def test_a_wrong_use_of_lint_says_what_to_do(cli: Cli, arguments: tuple[str, ...], message: str) -> None:
    done = cli("principles", "lint", *arguments)
    assert done.code == 2
    assert message in done.err


def test_new_writes_a_file_that_is_ready_and_never_overwrites(cli: Cli) -> None:
    done = cli("principles", "new", "mine")
    assert done.code == 0
    assert done.out.startswith("mine.yaml: ")
    assert cli("principles", "lint", "mine.yaml").code == 0
    again = cli("principles", "new", "mine")
    assert again.code == 2
    assert "mine.yaml exists: give another name with --out" in again.err
    other = cli("principles", "new", "mine", "--out", "other.yaml", "--json")
    assert other.json == {"path": "other.yaml", "name": "mine"}
    assert yaml.safe_load(Path("other.yaml").read_text())["name"] == "mine"


def test_new_refuses_a_name_that_is_none(cli: Cli) -> None:
    assert "is no name" in cli("principles", "new", "a b").err
    assert list(Path().iterdir()) == []


def test_new_makes_the_folders_that_its_file_needs(cli: Cli) -> None:
    assert cli("principles", "new", "x", "--out", "rules/own/x.yaml").code == 0
    assert yaml.safe_load(Path("rules/own/x.yaml").read_text())["name"] == "x"


def test_import_writes_a_file_that_loads(cli: Cli) -> None:
    pairs = [{"critic": "Name every brand in it.", "revision": "Replace each brand by its kind."}]
    Path("My list.json").write_text(json.dumps({"constitutions": pairs, "system_chat": []}))
    done = cli("principles", "import", "My list.json")
    assert done.code == 0
    assert done.out == "My-list.yaml: 1 principle imported\n"
    assert done.err == "left out, since it holds no principles: system_chat\n"
    (tier,) = cli("principles", "show", "My-list.yaml", "--json").json["tiers"]
    assert tier["principles"][0]["critique"] == "Name every brand in it."
    again = cli("principles", "import", "My list.json")
    assert again.code == 2
    assert "My-list.yaml exists" in again.err
    named = cli("principles", "import", "My list.json", "--name", "brands", "--out", "b.yaml", "--json")
    assert named.json == {"path": "b.yaml", "name": "brands", "principles": 1, "left_out": ["system_chat"]}


def test_import_of_another_format_says_what_is_read(cli: Cli) -> None:
    Path("x.json").write_text('{"a": 1}')
    done = cli("principles", "import", "x.json")
    assert done.code == 2
    assert "x.json: key 'a': neither a text nor a critique with its revision" in done.err
    assert "a JSON list of critique and revision pairs" in done.err
    assert not Path("x.yaml").exists()
