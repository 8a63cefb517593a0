"""`principles test`, `stats`, `explain` and `diff` as they are called."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from constitutional.core.messages import ChatRequest
from tests.support.processes import environment, generate, write_prompts

RULES = {
    "name": "rules",
    "tiers": [
        {
            "id": "style",
            "force": "strong",
            "principles": [
                {
                    "id": word,
                    "statement": f"avoid {word}",
                    "examples": [
                        {"prompt": "q", "response": f"{word} day", "verdict": "violates"},
                        {"prompt": "q", "response": "good day", "verdict": "upholds"},
                        {"prompt": "q", "better": "good day", "worse": f"{word} day"},
                    ],
                }
                for word in ("rude", "loud", "false")
            ],
        }
    ],
}


def mistaken(request: ChatRequest, options: tuple[str, ...] | None) -> Any:
    """Sound on every word but these: `loud` is never found, and of `false` the first answer is always preferred."""
    text = request.messages[-1].content
    word = text.split("avoid ")[1].split()[0]
    if options == ("yes", "no"):
        answer = text.split("# The assistant's answer\n")[1].split("\n")[0]
        p = 0.9 if word in answer and word != "loud" else 0.1
        return {"yes": p, "no": 1 - p}
    if options == ("A", "B"):
        a = text.split("# Answer A\n")[1].split("\n")[0]
        p = 0.8 if word == "false" or word not in a else 0.2
        return {"A": p, "B": 1 - p}
    return "Because."


def call(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "constitutional", "principles", *map(str, arguments)]
    root = str(Path(__file__).parents[2])
    return subprocess.run(
        command, cwd=cwd, env=environment() | {"PYTHONPATH": root}, capture_output=True, text=True, check=False
    )


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(RULES))
    return path


JUDGE = ("--judge", "scripted:tests.cli.test_principles_runs:mistaken")


@pytest.mark.parametrize("mode", ["tiered", "all", "draw"])
def test_exactly_the_planted_mistakes_are_found(rules: Path, mode: str) -> None:
    rules.write_text(yaml.safe_dump(RULES | {"mode": mode}))
    done = call("test", rules, *JUDGE, "--json", "--junit", "out.xml", cwd=rules.parent)
    assert done.returncode == 1, done.stderr
    outcomes = json.loads(done.stdout)["outcomes"]
    failed = {(outcome["principle"], outcome["kind"]) for outcome in outcomes if not outcome["passed"]}
    assert failed == {("loud", "violates"), ("false", "better")}
    assert len(outcomes) == 9
    suite = ElementTree.parse(rules.parent / "out.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("9", "2")


def test_the_same_test_again_is_free(rules: Path) -> None:
    first = json.loads(call("test", rules, *JUDGE, "--json", cwd=rules.parent).stdout)
    again = json.loads(call("test", rules, *JUDGE, "--json", cwd=rules.parent).stdout)
    assert first["calls_made"] > 0
    assert again["calls_made"] == 0
    assert again["outcomes"] == first["outcomes"]


def test_the_table_names_place_and_expectation(rules: Path) -> None:
    done = call("test", rules, *JUDGE, cwd=rules.parent)
    assert "rude       3/3" in done.stdout
    assert "FAILED" in done.stdout
    assert "rules.yaml:" in done.stdout
    assert "78% of 9 examples passed" in done.stdout


def test_all_passing_is_exit_0(rules: Path) -> None:
    data = yaml.safe_load(rules.read_text())
    del data["tiers"][0]["principles"][1:]
    rules.write_text(yaml.safe_dump(data))
    assert call("test", rules, *JUDGE, cwd=rules.parent).returncode == 0


@pytest.mark.parametrize(
    ("judge", "said"),
    [("pairwise-logprob", "expected provider:model"), ("nobody:x", "no model provider named 'nobody'")],
)
def test_a_judge_that_is_none(rules: Path, judge: str, said: str) -> None:
    done = call("test", rules, "--judge", judge, cwd=rules.parent)
    assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (2, True, False)


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    prompts = write_prompts(tmp_path / "prompts.jsonl", 6)
    generate("--model", "scripted:demo", "--prompts", str(prompts), "--out", str(tmp_path / "run"))
    return tmp_path


def test_stats_of_a_run(finished: Path) -> None:
    entries = json.loads(call("stats", "run", "--json", cwd=finished).stdout)
    by_name = {entry["principle"]: entry for entry in entries}
    assert by_name["honest"]["checked"] == 6
    assert by_name["honest"]["violation_rate_after"] == 0
    shown = call("stats", "run", cwd=finished).stdout
    assert shown.splitlines()[0].startswith("principle")
    assert len(shown.splitlines()) >= 7


def test_stats_are_of_the_constitution_that_the_run_was_made_with(tmp_path: Path, rules: Path) -> None:
    prompts = write_prompts(tmp_path / "prompts.jsonl", 3)
    generate(
        "--model", "scripted:demo", "--constitution", str(rules), "--prompts", str(prompts), "--out",
        str(tmp_path / "run"),
    )  # fmt: skip
    before = json.loads(call("stats", "run", "--json", cwd=tmp_path).stdout)
    assert [entry["principle"] for entry in before] == ["rude", "loud", "false"]
    rules.write_text(rules.read_text().replace("loud", "quiet").replace("strong", "soft"))
    assert json.loads(call("stats", "run", "--json", cwd=tmp_path).stdout) == before
    rules.unlink()
    assert json.loads(call("stats", "run", "--json", cwd=tmp_path).stdout) == before


def test_explain_tells_the_story_of_one_prompt(finished: Path) -> None:
    listed = json.loads(call("stats", "run", "--json", cwd=finished).stdout)
    assert listed
    from datasets import load_from_disk

    row = load_from_disk(str(finished / "run/dataset/preference"))["train"][0]
    shown = call("explain", "run", row["prompt_id"][:8], cwd=finished).stdout
    assert row["prompt"][0]["content"][:40] in shown
    assert f"p_chosen {row['p_chosen']:.3f}" in shown
    assert "decided by tier" in shown or "veto:" in shown
    trace = json.loads(call("explain", "run", row["prompt_id"], "--json", cwd=finished).stdout)
    assert trace["prompt"]["id"] == row["prompt_id"]


def test_an_unknown_prompt_or_run_is_said_to_be_so(finished: Path) -> None:
    done = call("explain", "run", "zzzz", cwd=finished)
    assert (done.returncode, "no prompt named 'zzzz'" in done.stderr) == (2, True)
    done = call("stats", "nowhere", cwd=finished)
    assert (done.returncode, "is no run folder" in done.stderr) == (2, True)
    with sqlite3.connect(finished / "run/run.db") as connection:
        connection.execute("DELETE FROM meta WHERE key='constitution'")
    done = call("stats", "run", cwd=finished)
    assert (done.returncode, "run holds no run with its constitution" in done.stderr) == (1, True)


def test_diff_says_what_would_change_in_a_run(finished: Path) -> None:
    same = call("diff", "base", "base", "--run", "run", cwd=finished).stdout
    assert same.splitlines()[0] == "no difference in meaning"
    (finished / "less.yaml").write_text("name: less\nextends: [base]\ndrop: [honest]\n")
    made = json.loads(call("diff", "base", "less.yaml", "--run", "run", "--json", cwd=finished).stdout)
    assert [change["kind"] for change in made["changes"] if change["what"].startswith("honest")] == ["removed"]
    assert made["effect"]["unknown"] == 0
    stats = json.loads(call("stats", "run", "--json", cwd=finished).stdout)
    (honest,) = (entry["without_it"] for entry in stats if entry["principle"] == "honest")
    assert {key: len(made["effect"][key]) for key in ("flipped", "vanished", "appeared")} == honest


def test_diff_goes_by_the_words_that_the_run_had(finished: Path) -> None:
    """Once the new wording was asked about, nothing of it is unknown: whichever of the two is called old."""
    (finished / "other.yaml").write_text(
        "name: other\nextends: [base]\ntiers:\n  - id: honesty\n    principles:\n"
        "      - id: honest\n        statement: The answer is honest about what the shop knows.\n"
    )
    asks = json.loads(call("diff", "base", "other.yaml", "--run", "run", "--json", cwd=finished).stdout)["effect"]
    assert asks["unknown"] == asks["rulings"] > 0
    done = call("diff", "other.yaml", "base", "--run", "run", cwd=finished)
    assert (
        f"of {asks['rulings']} rulings: 0 would change side, 0 would become ties, 0 ties would be decided, 0 need new"
        in (done.stdout)
    )
    assert "note: run was made with other principles than other.yaml" in done.stderr
