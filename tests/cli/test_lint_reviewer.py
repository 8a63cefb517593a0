"""`principles lint --model`: a model says what no rule can see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from constitutional.core.messages import ChatRequest
from tests.cli.test_principles_runs import call

RULES = """\
name: rules
tiers:
  - id: style
    force: soft
    principles:
      - id: sourced
        statement: The answer names the source of each figure in it.
        examples:
          - {prompt: How tall, better: "300 m, says the city.", worse: 300 m.}
          - {prompt: How old, better: "80 years, says the plaque.", worse: 80 years.}
      - id: odd
        statement: The answer has a blue soul.
        examples:
          - {prompt: What, better: "A lamp, in blue.", worse: A lamp.}
          - {prompt: Who, better: "A friend, in blue.", worse: A friend.}
"""


def reviewer(request: ChatRequest, options: tuple[str, ...] | None) -> Any:
    """Finds fault with souls alone."""
    text = request.messages[-1].content
    return "Nobody can see a soul.\nThe answer is written in blue." if "soul" in text else "Fine."


MODEL = ("--model", "scripted:tests.cli.test_lint_reviewer:reviewer")


def reviewed(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    done = call("lint", "rules.yaml", *MODEL, "--json", *arguments, cwd=folder)
    assert "Traceback" not in done.stderr
    return [finding for finding in json.loads(done.stdout) if finding["rule"] == "reviewer"]


def test_the_reviewer_names_a_fault_its_place_and_a_better_wording(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    (finding,) = reviewed(tmp_path)
    assert (finding["line"], finding["severity"]) == (11, "note")
    assert finding["message"] == "odd: Nobody can see a soul."
    assert finding["suggestion"] == "The answer is written in blue."


def test_it_can_be_silenced_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(
        RULES.replace("      - id: odd\n", "      - id: odd\n        lint_ignore: [reviewer]\n")
    )
    assert reviewed(tmp_path) == []


def test_its_replies_are_kept(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    reviewed(tmp_path)
    kept = (tmp_path / "runs/lint/run.db").read_bytes()
    assert b"Nobody can see a soul." in kept


def test_a_name_without_a_provider_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    done = call("lint", "rules.yaml", "--model", "gpt", cwd=tmp_path)
    assert (done.returncode, "expected provider:model" in done.stderr) == (2, True)
