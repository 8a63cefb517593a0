"""docs/iterate.md: its commands run on a tiny model, and its run files are valid."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from constitutional.config.run import RunConfig
from constitutional.core.digest import random_for
from constitutional.core.messages import ChatRequest
from tests.cli.conftest import Cli
from tests.support.tiny_model import make_tiny_model
from tests.training.planted import write, write_dataset

pytest.importorskip("trl")

PAGE = (Path(__file__).parents[2] / "docs" / "iterate.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMANDS = [line for kind, block in BLOCK.findall(PAGE) if kind == "sh" for line in block.splitlines()]
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
