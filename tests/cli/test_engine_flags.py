"""`generate --batch` and `--engine ray` with what goes with them, and what does not."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from constitutional.ledger.batches import KEPT_SECONDS, TABLES
from tests.cli.conftest import Cli
from tests.support.processes import write_prompts
from tests.support.server import serve

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
    plan = cli("generate", *API, "--batch", "--batch-max-wait", "6", "--dry-run").out
    assert "openai:gpt-4o-mini (batch)" in plan
    assert re.search(r"^batches +2–\d+ one after another, minutes to 6 hours each$", plan, re.MULTILINE)


@pytest.mark.parametrize("constitution", ["base", "helpful-harmless"])
def test_the_page_says_how_many_batches_a_plan_has(cli: Cli, constitution: str) -> None:
    plan = cli("generate", *API, "--batch", "--limit", "1", "--constitution", constitution, "--dry-run", "--json")
    batches = plan.json["batches"]
    page = " ".join((Path(__file__).parents[2] / "docs" / "run-file.md").read_text(encoding="utf-8").split())
    assert f"of `{constitution}` {batches['low']} to {batches['high']}" in page


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


def test_a_batch_that_is_out_is_told_of_when_a_run_goes_on_and_when_it_ends(cli: Cli) -> None:
    """Nobody else knows that money is being spent there."""
    with serve() as server:
        asked = ("--model", "openai:test-model", "--base-url", server.url, "--prompts", "prompts.jsonl", "--out", "run")
        assert cli("generate", *asked, "--limit", "1", "--rounds", "0").code == 0
        with closing(sqlite3.connect("run/run.db")) as database, database:
            for table in TABLES:
                database.execute(table)
            for token, name, age in (("t", "batch_7", 3600.0), ("u", "batch_6", KEPT_SECONDS + 3600.0)):
                row = (token, name, "openai:test-model", time.time() - age, 1)
                database.execute("INSERT INTO batches VALUES (?,?,?,?,?)", row)
                database.execute("INSERT INTO batch_requests VALUES (?, x'00')", (token,))
        out = "openai:test-model: batch_7, 1 requests, of 20"
        planned = cli("generate", *asked, "--dry-run").out
        assert f"out at {out}" in planned
        assert "batch_6" not in planned, "a provider has deleted it by now"
        direct = cli("generate", *asked, "--limit", "1", "--rounds", "0")
        assert f"warning: a batch is out at {out}" in direct.err
        assert "asked and paid again; add --batch" in direct.err
        assert f"still out at {out}" in direct.out
        assert "nothing needs it any more" in direct.out
        batched = cli("generate", *asked, "--limit", "1", "--rounds", "0", "--batch")
        assert f"collecting a batch at {out}" in batched.err
        server.configure(refuse_auth=True)
        refused = cli("generate", *asked, "--limit", "2", "--rounds", "0", "--batch")
        assert refused.code == 1
        assert f"still out at {out}" in refused.err, "also where an error ends the run"
        assert "the same command again collects it" in refused.err
        shown = cli("generate", *asked, "--limit", "1", "--rounds", "0", "--batch", "--json").json["batches_out"]
        assert [(batch["id"], batch["requests"]) for batch in shown] == [("batch_7", 1)]
