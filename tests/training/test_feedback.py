"""What the constitution says of sampled answers: tier by tier, the floor, failures, budgets, and nothing paid twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from constitutional.cli.generate import command as generate
from constitutional.core.records import Message
from constitutional.core.reward import FLOOR
from constitutional.errors import RunStoppedError
from constitutional.ledger import LedgerView
from constitutional.training.feedback import Basis, Feedback
from constitutional.training.rows import Question
from constitutional.training.stop import Stop
from constitutional.training.trainers.online import Reward, figures

TIERS = """
name: two
version: "1"
tiers:
  - id: safety
    force: hard
    principles:
      - {id: kind, statement: Be kind.}
  - id: style
    force: soft
    principles:
      - {id: short, statement: Be short.}
"""
SCRIPT = [
    {"when": "RUDE", "choose": {"yes": 0.9, "no": 0.1}, "reply": "It is rude."},
    {"when": "UNKNOWN", "choose": "what?"},
    {"when": "", "choose": {"yes": 0.1, "no": 0.9}},
]
RULES = [{"check": "length", "unit": "words", "most": 3, "weight": 3}, {"check": "matches", "pattern": "fox"}]
QUESTION = Question("p1", (Message("user", "How is the fox?"),))
OTHER = Question("p2", (Message("user", "How is the dog?"),))


def basis(folder: Path, **changes: Any) -> Basis:
    (folder / "two.yaml").write_text(TIERS)
    (folder / "script.jsonl").write_text("".join(json.dumps(line) + "\n" for line in SCRIPT))
    given = {
        "constitution": "two.yaml",
        "models": {"policy": {"name": "scripted:script.jsonl"}},
        "scorer": {"plugin": "rules", "options": {"rules": RULES}},
    }
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(given | changes))
    return Basis.of(str(path), "")


def test_a_hard_violation_and_silence_are_the_floor_and_the_rest_is_graded(tmp_path: Path) -> None:
    with Feedback(basis(tmp_path), tmp_path / "calls.db", 0) as feedback:
        asked = [(QUESTION, ["RUDE fox", "a fine fox", "a dog that is slow", " "]), (OTHER, ["a fine fox"])]
        (rude, fine, slow, silent), (again,) = feedback.of(asked)
    assert (rude.reward, rude.broken, rude.tiers) == (FLOOR, "safety", {})
    assert (silent.reward, silent.broken) == (FLOOR, None)
    assert (fine.reward, again.reward) == (1.0, 1.0)
    assert slow.reward == 0.0
    assert fine.tiers == {"safety": 1.0, "style": 1.0}
    assert figures([rude, fine, slow, silent]) == {
        "reward/hard_violations": 0.25, "reward/unread": 0.0, "reward/tier:safety": 0.5, "reward/tier:style": 0.5,
    }  # fmt: skip


def test_nothing_is_asked_twice(tmp_path: Path) -> None:
    """Not of the same text in a batch, nor by a training that goes on."""
    for _ in range(2):
        with Feedback(basis(tmp_path), tmp_path / "calls.db", 0) as feedback:
            feedback.of([(QUESTION, ["a fine fox", "a fine fox", "RUDE"])])
    with LedgerView(tmp_path / "calls.db") as view:
        assert next(view.rows("SELECT count(*) FROM calls")) == (3,)  # two verdicts, and why one of them


def test_a_verdict_that_cannot_be_read_is_no_violation(tmp_path: Path) -> None:
    with Feedback(basis(tmp_path), tmp_path / "calls.db", 0) as feedback:
        ((opinion,),) = feedback.of([(QUESTION, ["UNKNOWN fox"])])
    assert (opinion.reward, opinion.broken) == (1.0, None)


def test_a_budget_ends_the_training_and_keeps_its_model(tmp_path: Path) -> None:
    stop = Stop()
    with Feedback(basis(tmp_path, max_calls=1), tmp_path / "calls.db", 0) as feedback:
        reward = Reward(feedback, stop)
        first = reward.of([QUESTION], ["one"])
        then = reward.of([QUESTION, QUESTION], ["two", "three"])
        after = reward.of([QUESTION], ["one"])
    assert [opinion.reward for opinion in (*first, *then, *after)] == [0.75, None, None, None]
    assert stop.because == "the budget of 1 calls is used up"


def test_a_scorer_that_reads_nothing_is_found_out(tmp_path: Path) -> None:
    """By its failures, after as many answers as are no accident."""
    found = basis(tmp_path, scorer="pointwise")
    (tmp_path / "script.jsonl").write_text(json.dumps({"when": "", "choose": {"no": 1.0}}) + "\n")
    with Feedback(found, tmp_path / "calls.db", 0) as feedback:
        reward = Reward(feedback, Stop())
        with pytest.raises(RunStoppedError, match="none of the last 40 answers could be judged"):
            reward.of([QUESTION] * 40, [f"answer {number}" for number in range(40)])


def test_a_finished_run_is_asked_by_the_constitution_that_it_had(tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"prompt": "How is the fox?"}\n{"prompt": "How is the dog?"}\n')
    flags = ["--model", "scripted:demo", "--prompts", str(prompts), "--out", str(tmp_path / "run"), "--quiet"]
    run = CliRunner().invoke(generate, flags)
    assert run.exit_code == 0, run.output
    found = Basis.of(None, str(tmp_path / "run"))
    assert found.constitution is not None
    assert found.name == "run"
    assert found.digest() == Basis.of(str(tmp_path / "run"), "elsewhere").digest()
    with Feedback(found, tmp_path / "calls.db", 0) as feedback:
        ((opinion,),) = feedback.of([(QUESTION, ["It is well, thank you."])])
    assert opinion.reward is not None
