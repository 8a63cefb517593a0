"""A change repeats exactly the calls that contain it, and no other."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from constitutional.ledger import LedgerView
from constitutional.resources import data_folder
from tests.support.processes import generate, write_prompts

PROMPTS = 12


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run file with a model of its own for each role, a constitution of its own, and its first session done."""
    write_prompts(tmp_path / "prompts.jsonl", PROMPTS)
    (tmp_path / "rules.yaml").write_text((data_folder("constitutions") / "base.yaml").read_text())
    roles = ("policy", "critic", "reviser", "judge")
    config = {
        "prompts": "prompts.jsonl",
        "constitution": "rules.yaml",
        "models": {role: {"name": "scripted:demo"} for role in roles},
        "responses": 2,
        "rounds": 2,
        "out": "run",
    }
    save(tmp_path, config)
    generate(str(tmp_path / "run.yaml"))
    return tmp_path


def save(folder: Path, config: dict[str, Any]) -> None:
    (folder / "run.yaml").write_text(yaml.safe_dump(config))


def change(folder: Path, *path: str, to: Any) -> dict[str, int]:
    """Change one key of the run file, run again, and say how many calls each role made."""
    config = yaml.safe_load((folder / "run.yaml").read_text())
    inner = config
    for key in path[:-1]:
        inner = inner.setdefault(key, {})
    inner[path[-1]] = to
    save(folder, config)
    return calls_made(folder)


def calls_made(folder: Path) -> dict[str, int]:
    result = generate(str(folder / "run.yaml"), "--accept-changes")
    assert result["status"] == "complete"
    return {role["role"]: role["calls"] for role in result["roles"] if role["calls"]}


def requests(folder: Path, role: str | None = None) -> list[str]:
    with LedgerView(folder / "run" / "run.db") as view:
        rows = view.rows("SELECT role, request FROM calls")
        return [zlib.decompress(body).decode() for who, body in rows if role in (None, who)]


def test_the_system_message_is_in_the_answers_alone(run: Path) -> None:
    assert change(run, "system", to="Be kind.") == {"policy": 2 * PROMPTS}


@pytest.mark.parametrize("setting", [("revision", "2"), ("temperature", 0.7), ("top_p", 0.9), ("max_tokens", 99)])
def test_a_setting_of_the_policy_is_in_its_own_calls_alone(run: Path, setting: tuple[str, Any]) -> None:
    assert change(run, "models", "policy", setting[0], to=setting[1]) == {"policy": 2 * PROMPTS}


def test_the_name_of_the_judge_is_in_its_own_calls_alone(run: Path) -> None:
    judged = len(requests(run, "judge"))
    name = "scripted:constitutional.pocket.script:answer"
    assert change(run, "models", "judge", "name", to=name) == {"judge": judged}


def test_the_sampling_of_a_judge_that_reads_probabilities_is_in_no_call(run: Path) -> None:
    assert change(run, "models", "judge", "max_tokens", to=7) == {}


def test_a_template_is_in_the_calls_that_it_makes(run: Path) -> None:
    shipped = (data_folder("prompts") / "critique" / "explain.jinja").read_text()
    (run / "mine.jinja").write_text(shipped.replace("You check", "You check, with care,"))
    explained = [request for request in requests(run, "critic") if json.loads(request)[0] == "chat"]
    # The script does not know the changed beginning: its critique is another one, and with it every revision's request.
    made = change(run, "critic", to={"plugin": "llm", "options": {"explain": "mine.jinja"}})
    assert made["critic"] >= len(explained) > 0
    assert made.get("policy", 0) == 0


def test_a_principle_is_in_its_own_checks_and_verdicts_alone(run: Path) -> None:
    before = requests(run)
    rules = (run / "rules.yaml").read_text()
    old = "The answer is as short as it can be while remaining complete and clear."
    assert old in rules
    concerned = {role: sum(old in request for request in requests(run, role)) for role in ("critic", "judge")}
    (run / "rules.yaml").write_text(
        rules.replace(old, "The answer wastes no words, and leaves out nothing that matters.")
    )
    assert calls_made(run) == concerned
    assert len(requests(run)) == len(before) + sum(concerned.values())


def test_more_prompts_repeat_nothing(run: Path) -> None:
    before = set(requests(run))
    (run / "more.jsonl").write_text((run / "prompts.jsonl").read_text())
    extra = write_prompts(run / "extra.jsonl", 5, start=PROMPTS).read_text()
    (run / "prompts.jsonl").write_text((run / "prompts.jsonl").read_text() + extra)
    made = calls_made(run)
    assert made["policy"] == 2 * 5
    assert len(requests(run)) == len(before) + sum(made.values())


@pytest.mark.parametrize(("key", "value"), [("min_margin", 0.5), ("concurrency", 3), ("test_fraction", 0.5)])
def test_what_is_derived_asks_nothing(run: Path, key: str, value: Any) -> None:
    assert change(run, key, to=value) == {}


def test_fewer_prompts_leave_the_dataset_and_not_the_ledger(run: Path) -> None:
    before = len(requests(run))
    assert change(run, "limit", to=3) == {}
    with LedgerView(run / "run" / "run.db") as view:
        assert view.one("SELECT count(*) FROM traces WHERE session = 2") == 3
        assert view.one("SELECT count(*) FROM traces") == PROMPTS
    assert len(requests(run)) == before
