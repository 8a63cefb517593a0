"""What `generate` uses when nobody names a model: the pocket model where it can run, else the scripted one; it says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from constitutional.cli import resolve
from constitutional.cli.generate import _say_of_the_pocket
from constitutional.config.run import RunConfig
from tests.cli.conftest import Cli

HERE = resolve.missing_for_pocket


def test_without_torch_it_is_the_scripted_one_and_how_to_get_the_other(cli: Cli) -> None:
    made = cli("generate", "--limit", "2", "--json")
    assert (made.code, made.json["prompts"], made.json["run"]) == (0, 2, "runs/demo")
    first = made.err.splitlines()[0]
    assert first.startswith(
        "no --model given: using the scripted stand-in scripted:demo (for a real model: --model vllm:"
    )
    assert first.endswith("the pocket model needs torch: pip install 'constitutional[transformers]')")


@pytest.mark.slow
def test_where_it_can_run_it_is_the_pocket_model(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    monkeypatch.setattr(resolve, "missing_for_pocket", HERE)
    made = cli("generate", "--limit", "6", "--json", "--responses", "3")
    assert (made.code, made.json["prompts"], made.json["run"]) == (0, 6, "runs/demo")
    assert made.err.startswith(
        "no --model given: using pocket:base, a tiny model of an invented world (for a real model: "
    )
    assert {role["model"] for role in made.json["roles"]} == {"pocket:base"}
    assert made.json["pairs"] > 0
    again = cli("generate", "runs/demo/config.yaml", "--json")
    assert (again.code, again.json["calls_made"], again.json["pairs"]) == (0, 0, made.json["pairs"])


@pytest.mark.parametrize("given", ["--prompts", "--constitution", "--model"])
def test_whoever_names_something_gets_no_invented_world(given: str, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows nothing of other prompts, principles or models."""
    monkeypatch.setattr(resolve, "missing_for_pocket", list)
    Path("mine.jsonl").write_text('{"prompt": "When will my parcel arrive?"}\n')
    values = {"--prompts": "mine.jsonl", "--constitution": "base", "--model": "scripted:demo"}
    made = cli("generate", given, values[given], "--limit", "1", "--json")
    assert made.code == 0
    assert {role["model"] for role in made.json["roles"]} == {"scripted:demo"}


def test_the_scripted_model_brings_its_prompts_and_no_other_does(cli: Cli) -> None:
    made = cli("generate", "--model", "openai:gpt", "--base-url", "http://127.0.0.1:9/v1")
    assert (made.code, made.errors) == (2, ["error: no prompts: give --prompts FILE, or `prompts:` in the run file"])


@pytest.mark.parametrize(
    ("given", "strange"),
    [
        ({}, "critic"),
        (
            {"critic": {"plugin": "rules"}, "reviser": {"plugin": "llm", "options": {"template": "pocket/revise"}}},
            "judge",
        ),
        ({"models": {"policy": "openai:gpt", "judge": "pocket:base"}}, "judge"),
        ({"models": {"policy": "openai:gpt"}}, ""),
        (yaml.safe_load((resolve.POCKET / "run.yaml").read_text()), ""),
    ],
)
def test_the_pocket_model_under_words_that_it_does_not_know_is_said(
    given: dict[str, Any], strange: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _say_of_the_pocket(RunConfig.model_validate({"models": {"policy": "pocket:base"}} | given))
    said = capsys.readouterr().err
    assert (f"as {strange} under other templates" in said) if strange else said == ""
