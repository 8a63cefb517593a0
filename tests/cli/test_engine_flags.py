"""`generate --batch` and `--engine ray` with what goes with them, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.support.processes import write_prompts

API = ("--model", "openai:gpt-4o-mini", "--price", "1,10", "--prompts", "prompts.jsonl", "--out", "run")


@pytest.fixture(autouse=True)
def _prompts(tmp_path: Path) -> None:
    write_prompts(tmp_path / "prompts.jsonl", 3)


def test_batches_cost_half_in_the_plan(cli: Cli) -> None:
    direct = cli("generate", *API, "--dry-run", "--json").json["low"]
    batched = cli("generate", *API, "--batch", "--batch-max-wait", "6", "--dry-run", "--json").json["low"]
    assert direct["policy"]["cost"] > 0
    assert {role: load["cost"] for role, load in batched.items()} == {
        role: pytest.approx(load["cost"] / 2) for role, load in direct.items()
    }
    assert "openai:gpt-4o-mini (batch)" in cli("generate", *API, "--batch", "--dry-run").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "scripted:demo", "--batch"), "--batch is for openai: and anthropic: models"),
        (("--model", "openai:x", "--batch-max-wait", "2"), "--batch-max-wait is for models that are asked by batches"),
        (
            ("--model", "openai:x", "--batch", "--batch-max-wait", "-1"),
            "batch.max_wait: input should be greater than 0",
        ),
        (("--model", "scripted:demo", "--replicas", "2"), "--replicas is for --engine ray"),
        (("--model", "scripted:demo", "--engine", "spark"), "--engine: input should be 'local' or 'ray'"),
        (("--model", "scripted:demo", "--engine", "ray", "--replicas", "0"), "ray.replicas: input should be greater"),
        (("--model", "openai:x", "--engine", "ray", "--batch"), "engine: ray does not go with models.policy.batch"),
    ],
)
def test_what_does_not_go_together_is_said(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    done = cli("generate", *arguments, "--prompts", "prompts.jsonl", "--out", "run")
    assert done.code == 2
    assert said in done.err
    assert not Path("run").exists()
