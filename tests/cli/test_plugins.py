from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from constitutional.cli.plugins.show import example_of, sample
from constitutional.config.run import RunConfig
from constitutional.plugins import KINDS, PluginHost
from tests.cli.conftest import Cli

SHIPPED = PluginHost(installed=False).registered()


@pytest.mark.parametrize("command", [("plugins",), ("plugins", "list")])
def test_the_list_names_options_and_is_there_without_a_command(cli: Cli, command: tuple[str, ...]) -> None:
    said = cli(*command)
    assert said.code == 0
    assert "  pairwise-logprob       constitutional 0.1.0  [template, letters, least_mass]" in said.out
    listed = cli(*command, "--json").json
    assert listed["plugin_api"] == "1.0"
    (judge,) = [item for item in listed["names"] if item["name"] == "pairwise-cot"]
    assert "template" in judge["options"]["properties"]
    assert listed["plugins"][0].keys() == {"name", "distribution", "version", "error", "deprecated", "seconds"}


def test_json_before_a_command_is_no_silence(cli: Cli) -> None:
    said = cli("plugins", "--json", "show", "panel")
    assert said.code == 2
    assert "--json goes behind the command" in said.err


def test_show_says_what_it_does_and_how_it_is_named(cli: Cli) -> None:
    said = cli("plugins", "show", "reward-model", "--kind", "scorer").out
    assert said.startswith("scorer reward-model  (constitutional 0.1.0)")
    assert "    scale (default 1.0): P = 1 / (1 + exp(-d / scale))" in said
    assert said.endswith("    scorer:\n      plugin: reward-model\n      options:\n        model: MODEL\n")
    both = cli("plugins", "show", "panel", "--json").json
    assert [item["kind"] for item in both] == ["judge", "scorer"]
    assert both[0]["doc"].startswith("A member that abstains")


@pytest.mark.parametrize("item", SHIPPED, ids=lambda item: f"{item.kind}-{item.name}")
def test_the_example_of_everything_that_ships_is_a_run_file(item: Any) -> None:
    config = RunConfig.model_validate(yaml.safe_load(example_of(item)))
    use = {"pairing": config.strategy, "filter": next(iter(config.filters), None)}.get(item.kind)
    if item.kind in ("critic", "reviser", "judge", "scorer"):
        use = config.part(item.kind)
    options = config.models["policy"].options if item.kind == "model" else use.options if use else {}
    assert item.options(options, "here") is None or item.config is not None


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "integer", "exclusiveMinimum": 0}, 1),
        ({"type": "number", "maximum": -1}, -1),
        ({"enum": ["x", "y"]}, "x"),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, None),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, [False, False]),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}, {"a": "A"}),
        ({"type": "string", "examples": ["https://x"]}, "https://x"),
    ],
)
def test_samples_are_what_a_schema_takes(schema: dict[str, Any], value: Any) -> None:
    assert sample(schema) == value


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("show", "pairwise-logprop"), 2, "no plugin named 'pairwise-logprop'; did you mean 'pairwise-logprob'"),
        (("show", "panel", "--kind", "critic"), 2, "no critic named 'panel'; known: llm"),
        (("check", "min-length", "--options", "{characters: "), 2, "no YAML"),
        (("check", "min-length", "--options", "3"), 2, "expected names and values"),
        (("chek",), 2, "no command 'chek'; did you mean 'check'?"),
        (("new", "my-judge"), 2, "--kind"),
        (("new", "My Judge", "--kind", "judge"), 2, "is no name for a package"),
    ],
)
def test_mistakes_are_said(cli: Cli, arguments: tuple[str, ...], code: int, message: str) -> None:
    said = cli("plugins", *arguments)
    assert said.code == code
    assert said.err.startswith("error: ")
    assert message in said.err


def test_check_runs_the_kit_and_says_what_is_wrong(cli: Cli) -> None:
    fine = cli("plugins", "check", "pairwise-logprob", "--json")
    assert (fine.code, fine.json["faults"]) == (0, 0)
    assert {check["said"] for check in fine.json["subjects"][0]["checks"]} == {"ok", "skipped"}
    wrong = cli("plugins", "check", "min-length", "--options", "{characters: 0}", "--verbose")
    assert wrong.code == 1
    assert (
        "fault    checks-its-options: refuses the options it is examined with: filter.options.characters" in wrong.out
    )
    assert "A misspelt option is an error" in wrong.out


def test_new_writes_a_package(cli: Cli) -> None:
    made = cli("plugins", "new", "my-judge", "--kind", "judge", "--json")
    assert made.code == 0
    assert "my_judge/judge.jinja" in made.json["files"]
    assert all((Path("my-judge") / file).is_file() for file in made.json["files"])
    again = cli("plugins", "new", "my-judge", "--kind", "judge")
    assert again.errors == ["error: my-judge exists: give another name, or another folder with --out"]
    elsewhere = cli("plugins", "new", "my-judge", "--kind", "critic", "--out", "there")
    assert elsewhere.out.endswith("next: cd there && pip install -e '.[test]' && pytest\n")


def test_a_strategy_is_started_by_the_name_that_a_run_file_has_for_it(cli: Cli) -> None:
    assert cli("plugins", "new", "mine", "--kind", "strategy", "--json").json["kind"] == "pairing"


LOUD = """
from constitutional import Judgement, hookimpl

print("loaded")

class Loud:
    def __init__(self, setup):
        print("made")

    async def judge(self, prompt, a, b, principle):
        print("asked")
        return Judgement.of(a, b, principle.id, 0.8, 0.8, "loud")

@hookimpl
def register_judges(register):
    register("loud", Loud)
"""


def test_what_a_plugin_prints_is_no_part_of_the_json(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = tmp_path / "loud_judge-1.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: loud-judge\nVersion: 1.2\n")
    (about / "entry_points.txt").write_text("[constitutional]\nloud = loud_judge\n")
    (tmp_path / "loud_judge.py").write_text(LOUD)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("CONSTITUTIONAL_PLUGINS", "loud")
    said = cli("generate", "--model", "scripted:demo", "--limit", "3", "--judge", "loud", "--out", "run", "--json")
    assert said.json["status"] == "complete"
    assert {"loaded", "made", "asked"} <= set(said.err.splitlines())
    checked = cli("plugins", "check", "loud", "--json")
    assert checked.json["subjects"][0]["name"] == "loud"
    assert "asked" in checked.err.splitlines()


def test_every_kind_can_be_started(cli: Cli) -> None:
    for kind in KINDS:
        assert cli("plugins", "new", f"my-{kind}", "--kind", kind).code == 0


@pytest.mark.parametrize("name", ["evil", "evil.py", "./evil.py", "evil:Judge"])
@pytest.mark.parametrize("part", ["judge", "strategy", "constitution", "principle"])
def test_nothing_is_imported_because_data_says_so(cli: Cli, part: str, name: str) -> None:
    """A name in a run file or a constitution is one of what is installed, and never a module or a path to import."""
    Path("evil.py").write_text("open('imported', 'w').close()\nJudge = list\n")
    principle = {"id": "plain", "statement": "The answer is plain.", "judge": {"plugin": name}}
    tiers = [{"id": "style", "force": "strong", "principles": [principle]}]
    Path("c.yaml").write_text(yaml.safe_dump({"name": "c", "tiers": tiers}))
    run = {"prompts": "p.jsonl", "models": {"policy": "scripted:demo"}, "constitution": "base"}
    Path("p.jsonl").write_text('{"prompt": "?"}\n')
    Path("run.yaml").write_text(
        yaml.safe_dump(run | ({"constitution": "c.yaml"} if part == "principle" else {part: name}))
    )
    said = cli("generate", "run.yaml")
    assert said.code == 2
    assert not Path("imported").exists()
