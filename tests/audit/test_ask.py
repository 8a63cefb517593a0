from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from constitutional.audit.ask import ask_judge, only, verdict_of
from constitutional.audit.labels import read_labels
from constitutional.config.run import RunConfig
from constitutional.core.constitution import Constitution, Principle, Tier
from constitutional.core.records import Judgement
from constitutional.ledger import LedgerView, RunFolder
from constitutional.plugins import PluginHost
from tests.support import judges
from tests.support.verdicts import pair

TWO = Constitution(
    "two", "1",
    (Tier("safe", "hard", (Principle("safe", "Be safe."),), tolerance=0.1),
     Tier("brief", "soft", (Principle("brief", "Be brief.", tags=frozenset({"chat"})),))),
)  # fmt: skip


def judged(p_ab: float, p_ba: float, principle: str) -> Judgement:
    one = pair("1")
    return Judgement.of(one.a, one.b, principle, p_ab, p_ba, "logprobs")


def test_the_verdict_is_the_constitutions_ruling_and_each_order_has_one_of_its_own() -> None:
    read = [judged(0.9, 0.5, "safe"), judged(0.2, 0.1, "brief")]
    found = verdict_of(pair("1"), read, TWO)
    assert found.p == pytest.approx(0.7)
    assert found.p_ab == 0.9
    assert found.p_ba == 0.1, "in that order the first tier ties, and the second decides"


def test_every_tier_ties_is_read_and_says_nothing() -> None:
    found = verdict_of(pair("1"), [judged(0.55, 0.5, "safe")], TWO)
    assert (found.p, found.tied, found.because) == (None, True, "every tier ties")


def test_a_label_of_one_principle_is_judged_by_that_alone() -> None:
    one = only(TWO, "brief")
    assert [principle.id for _, principle in one.applicable(())] == ["brief"]
    found = verdict_of(pair("1", principle="safe"), [judged(0.55, 0.55, "safe")], TWO)
    assert found.p == pytest.approx(0.55), "no tolerance of a tier that is not asked"


def test_pairs_that_cannot_be_judged_cost_themselves_alone(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(json.dumps(judges.CONSTITUTION))
    rows = [*judges.labelled(6), {"prompt": "Poison?", "a": "[1] x", "b": "[2] y", "label": "b"}]
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "script.jsonl").write_text('{"when": "Question", "choose": {"A": 0.7, "B": 0.3}}\n')
    config = RunConfig.model_validate({"constitution": "good.yaml", "models": {"policy": "scripted:script.jsonl"}})
    folder = RunFolder(tmp_path / "run")
    folder.create()
    labels = read_labels(["labels.jsonl"], tmp_path)
    answers = asyncio.run(ask_judge(config, folder, PluginHost(), tmp_path, labels.pairs, []))
    assert [verdict.failure for verdict in answers.verdicts] == ["", "", "", "", "", "", "request_refused"]
    assert answers.progress.failures == {"request_refused": 1}


def audit(folder: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "constitutional", "audit", "--labels", str(folder / "labels.jsonl"), "--judge",
            f"scripted:{folder}/script.jsonl", "--constitution", str(folder / "good.yaml"), "--attacks", "0",
            "--out", str(folder / "card.json"), *more]  # fmt: skip


@pytest.mark.slow
def test_a_killed_audit_goes_on_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(json.dumps(judges.CONSTITUTION))
    rows = judges.labelled(60)
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "script.jsonl").write_text('{"choose": {"A": 0.7, "B": 0.3}}\n')
    run = tmp_path / "run.yaml"
    model: dict[str, Any] = {"name": f"scripted:{tmp_path}/script.jsonl", "options": {"latency": 0.1}}
    run.write_text(
        json.dumps({"constitution": str(tmp_path / "good.yaml"), "models": {"policy": model}, "concurrency": 2})
    )
    command = [sys.executable, "-m", "constitutional", "audit", str(run), "--labels", str(tmp_path / "labels.jsonl"),
               "--attacks", "0", "--out", str(tmp_path / "card.json")]  # fmt: skip
    ledger = tmp_path / "card-run" / "run.db"
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=os.environ | {"CONSTITUTIONAL_PLUGINS": ""}) as process:
        deadline = time.monotonic() + 60
        while calls(ledger) < 20 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    before = calls(ledger)
    assert 20 <= before < 120
    done = subprocess.run(audit(tmp_path), capture_output=True, text=True, check=True, timeout=120)
    assert f"{120 - before} calls made, {before} reused" in done.stderr
    assert json.loads((tmp_path / "card.json").read_text())["data"]["pairs"] == 60


def calls(ledger: Path) -> int:
    if not ledger.is_file() or not ledger.stat().st_size:
        return 0
    try:
        with LedgerView(ledger) as view:
            found: int = view.one("SELECT count(*) FROM calls")
            return found
    except OSError:
        return 0
