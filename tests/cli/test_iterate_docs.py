"""docs/iterate.md: its commands run on a tiny model, and its run files are valid."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from constitutional.cli.demo.plan import Plan
from constitutional.config.run import RunConfig
from constitutional.core.digest import random_for
from constitutional.core.messages import ChatRequest
from tests.cli.conftest import Cli
from tests.support.tiny_model import make_tiny_model
from tests.training.planted import write, write_dataset

pytest.importorskip("trl")

PAGE = (Path(__file__).parents[2] / "docs" / "iterate.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINES = [
    line for kind, block in BLOCK.findall(PAGE) if kind == "sh" for line in block.replace("\\\n", " ").splitlines()
]
POCKET = [line for line in LINES if "runs/pocket" in line]
COMMANDS = [line for line in LINES if line not in POCKET]
YAML = [block for kind, block in BLOCK.findall(PAGE) if kind == "yaml"]
MODEL, JUDGE = "Qwen/Qwen3-0.6B", "openai:gpt-4o-mini"
QUICK = {
    "train": ("--cpu", "--max-steps", "2", "--samples", "2", "--sample-tokens", "8", "--quiet"),
    "online": ("--cpu", "--max-steps", "1", "--answer-tokens", "8", "--quiet"),
    "iterate": ("--cpu", "--max-steps", "1", "--samples", "2", "--sample-tokens", "8", "--lr", "1e-3", "--quiet"),
}


def answer(request: ChatRequest, options: tuple[str, ...] | None) -> Any:
    """A judge with an opinion of every text, always the same."""
    if options is None:
        return "It could be kinder."
    draw = random_for(0, request.messages[-1].content, "opinion")
    return {option: draw.random() for option in options}


def test_the_run_files_are_valid() -> None:
    assert len(YAML) == 2
    judged, whole = (RunConfig.model_validate(yaml.safe_load(text)) for text in YAML)
    assert judged.judge.plugin == judged.scorer.plugin == "reward-model"
    assert whole.model_for("scorer") == "judge"


@pytest.mark.slow
def test_every_command_runs(cli: Cli, tmp_path: Path) -> None:
    tiny = make_tiny_model(tmp_path / "tiny")
    write_dataset(Path("runs/mine"), 40, 0)
    write(Path("prompts.jsonl"), [{"prompt": f"How is the fox {number}?"} for number in range(16)])
    text = YAML[1].replace(f"transformers:{MODEL}", f"transformers:{tiny}").replace("max_tokens: 256", "max_tokens: 8")
    Path("run.yaml").write_text(
        text.replace(JUDGE, f"scripted:{__name__}:answer").replace("helpful-harmless", "concise-style")
    )
    assert len(COMMANDS) == 7
    for command in COMMANDS:
        words = [str(tiny) if word == MODEL else word for word in shlex.split(command)]
        assert words[0] == "constitutional"
        kind = "online" if "--run" in words else words[1]
        made = cli(*words[1:], *QUICK[kind])
        assert made.code == 0, f"{command}\n{made.err}"
    assert Path("models/grader/config.json").is_file()
    assert Path("rounds/iterate.json").is_file()
    assert Path("rounds/round-1/model/config.json").is_file()


@pytest.mark.slow
def test_the_rounds_of_the_tiny_model_run(cli: Cli) -> None:
    """Over a demo that is begun and not gone through, with as few prompts as do."""
    demo, rounds = (shlex.split(command) for command in POCKET)
    assert demo[:3] == ["constitutional", "demo", "--fast"]
    plan = Plan(Path("runs/pocket"), fast=True)
    plan.begin()
    for name, most in (("prompts.jsonl", 24), ("held-out.jsonl", 12)):
        lines = (plan.out / name).read_text().splitlines(keepends=True)
        (plan.out / name).write_text("".join(lines[:most]))
    assert (rounds[1], Path(rounds[2])) == ("iterate", plan.run_file)
    made = cli(*rounds[1:], "--max-steps", "2", "--rounds", "1", "--samples", "2", "--quiet")
    assert made.code == 0, made.err
    assert made.out.splitlines()[1].split()[0] == "0", "the model before all"
    record = json.loads(Path("runs/rounds/iterate.json").read_text())
    assert [one["number"] for one in record["rounds"]] == [1]
    assert Path("runs/rounds/round-1/model/config.json").is_file()
