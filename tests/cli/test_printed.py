"""What is printed, and where."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Cli


def test_json_alone_is_on_stdout(cli: Cli) -> None:
    made = cli("generate", "--json", "--limit", "3")
    assert made.code == 0
    assert made.json["status"] == "complete"
    assert (made.json["prompts"], made.json["run"]) == (3, "runs/demo")
    assert {role["role"] for role in made.json["roles"]} >= {"policy", "critic"}
    assert made.err.startswith("no --model given: using the scripted stand-in scripted:demo")
    assert cli("generate", "--json", "--limit", "3", "--quiet").err == ""


def test_a_dry_run_prints_a_plan_and_makes_nothing(cli: Cli) -> None:
    made = cli("generate", "--dry-run", "--json", "--out", "run")
    assert (made.code, made.errors, made.json["prompts"]) == (0, [], 22)
    assert made.json["low"]["policy"]["calls"] == 22
    assert made.json["high"]["critic"]["calls"] > made.json["low"]["critic"]["calls"]
    assert not Path("run").exists()


def test_plugins_as_json(cli: Cli) -> None:
    made = cli("plugins", "--json")
    assert (made.code, made.err) == (0, "")
    assert [plugin["error"] for plugin in made.json["plugins"]] == [None]
    names = {(item["kind"], item["name"]) for item in made.json["names"]}
    assert {("judge", "pairwise-logprob"), ("model", "vllm"), ("pairing", "best-vs-worst")} <= names
    options = {item["name"]: item["options"] for item in made.json["names"]}
    assert "template" in options["pairwise-logprob"]["properties"]


def test_the_version(cli: Cli) -> None:
    from constitutional import __version__

    assert cli("version").out == f"{__version__}\n"
    assert cli("version", "--json").json == {"version": __version__}
    assert cli("--version").out == f"{__version__}\n"


def test_a_run_that_has_nothing_to_compare_ends_well(cli: Cli) -> None:
    made = cli("generate", "--rounds", "0", "--limit", "3", "--out", "run", "--json")
    assert (made.code, made.json["pairs"], made.json["rejects"]) == (0, 0, {"nothing_to_compare": 3})
    assert cli("watch", "run").code == 0


def test_a_run_that_stops_early_says_what_its_failures_are_a_share_of(cli: Cli) -> None:
    Path("p.jsonl").write_text('{"promt": "a"}\n{"prompt": "b"}\n{"prompt": "c"}\n')
    said = cli("generate", "--model", "scripted:demo", "--prompts", "p.jsonl", "--out", "run", "--quiet")
    assert said.code == 3
    assert "1 of the first 1 prompts failed, more than --max-failure-rate 0.1 of 3 (bad_row 1)" in said.out


def test_a_run_that_goes_on_says_which_principles_changed(cli: Cli) -> None:
    rules = "name: ours\ntiers:\n  - id: honesty\n    force: strong\n    principles:\n"
    rules += "      - id: honest\n        statement: {}\n"
    arguments = ("generate", "--model", "scripted:demo", "--limit", "2", "--constitution", "ours.yaml", "--out", "run")
    Path("ours.yaml").write_text(rules.format("The answer is honest."))
    assert "changed since" not in cli(*arguments).err
    assert "changed since" not in cli(*arguments).err
    Path("ours.yaml").write_text(rules.format("The answer is honest about delivery."))
    assert (
        "changed since the last session: constitution: reworded honest.statement: The answer is honest. → The answer is "
        "honest about delivery."
    ) in cli(*arguments).err.splitlines()
    Path("ours.yaml").write_text(
        rules.format("The answer is honest.")
        + "".join(f"      - {{id: more-{n}, statement: The answer names {n} things.}}\n" for n in range(9))
    )
    assert "constitution: and 5 more: constitutional principles diff" in cli(*arguments).err
