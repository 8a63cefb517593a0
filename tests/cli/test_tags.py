"""A tag that is misspelt in a constitution or a run file, at the end of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    principles = [
        {"id": "sources", "statement": "Name a source.", "when": {"tags": ["medcial", "law"], "unless": ["fiction"]}},
        {"id": "calm", "statement": "Stay calm.", "when": {"tags": ["medical"]}},
    ]
    tiers = [{"id": "all", "force": "strong", "principles": principles}]
    rules = {"name": "rules", "tiers": tiers, "contexts": {"emergancy": {"calm": 2}, "angry": {"calm": 3}}}
    (tmp_path / "rules.yaml").write_text(json.dumps(rules))
    tags: tuple[list[str], ...] = (["medical", "emergency"], ["medicals"], [])
    rows = ({"prompt": f"Question {n}?", "tags": own} for n, own in enumerate(tags))
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = {"prompts": "prompts.jsonl", "constitution": "rules.yaml", "models": {"policy": "scripted:demo"}}
    (tmp_path / "run.yaml").write_text(
        json.dumps(run | {"rounds": 0, "split": {"tags": {"emergancy": 0.5}}, "out": "run"})
    )


def test_a_tag_that_is_spelt_almost_like_one_that_prompts_have(cli: Cli) -> None:
    """What is far from all of them may be meant for other prompts; what is named somewhere is no slip."""
    found = [
        "no prompt has the tag 'emergancy' (contexts, split.tags), and some have 'emergency'",
        "no prompt has the tag 'medcial' (principle sources), and some have 'medicals'",
    ]
    done = cli("generate", "run.yaml", "--quiet")
    assert done.code == 0, done.err
    assert [line for line in done.out.splitlines() if "no prompt has" in line] == [f"  watch: {line}" for line in found]
    again = cli("generate", "run.yaml", "--json").json
    assert again["calls_made"] == 0
    assert again["warnings"] == found, "also when every prompt is there already"


def test_the_first_prompts_alone_say_nothing_of_the_rest(cli: Cli) -> None:
    done = cli("generate", "run.yaml", "--limit", "2", "--quiet")
    assert "no prompt has" not in done.out
