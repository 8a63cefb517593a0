"""The driver: observers, what ends a run, and what a dying process leaves."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from constitutional.config.run import RunConfig
from constitutional.core.constitution import Principle
from constitutional.core.records import Judgement, Reason, Response, Trace
from constitutional.errors import LedgerError, ModelUnavailableError, PromptFileError
from constitutional.ledger import LedgerView, RunFolder
from constitutional.pipeline.opened import open_run
from constitutional.pipeline.run import run_prompts
from constitutional.plugins import PluginHost
from constitutional.roles import RunInfo, RunResult
from tests.support.runs import World, run, tier

STYLE = tier("style", "soft", "rude")


@pytest.mark.parametrize("odd", [(object(),), ("a lone surrogate \ud800",)])
def test_a_record_that_cannot_be_stored_costs_its_own_prompt(tmp_path: Path, odd: tuple[Any, ...]) -> None:
    class Odd:
        def judge(self, prompt: Any, a: Response, b: Response, principle: Any) -> Judgement:
            return Judgement.of(a, b, principle.id, 0.8, 0.8, "odd", odd if "two" in a.text else ())

    def register_judges(register: Any) -> None:
        register("odd", lambda setup: Odd())

    made = run(tmp_path, ["rude one", "rude two"], STYLE, plugin=[register_judges], judge="odd", max_failure_rate=0.5)
    assert [trace.status for trace in made.traces] == ["paired", "failed"]
    assert made.traces[1].rejects[0].reason == Reason.PLUGIN_FAILED
    assert "cannot be stored" in made.traces[1].rejects[0].detail


def test_a_ledger_keeps_the_constitution_letter_for_letter(tmp_path: Path) -> None:
    odd = {"id": "odd", "statement": "avoid rude \ud800", "when": {"unless": ["b", "a"]}}
    run(tmp_path, ["rude one"], STYLE | {"principles": [odd]})
    (tmp_path / "words.yaml").unlink()
    with open_run(tmp_path / "run") as opened:
        (item,) = opened.constitution.tiers
    assert (item.id, item.force) == ("style", "soft")
    assert item.principles == (Principle("odd", "avoid rude \ud800", unless=frozenset({"a", "b"})),)


def test_bad_rows_are_those_of_the_last_session_even_if_the_first_had_nothing_else(tmp_path: Path) -> None:
    first = run(tmp_path, [{"no": 1}, {"no": 2}, {"no": 3}], STYLE, max_failure_rate=1)
    assert [source.rpartition(":")[2] for source, _, _ in first.bad_rows] == ["1", "2", "3"]
    second = run(tmp_path, ["rude one", {"no": 2}], STYLE, max_failure_rate=1)
    assert [source.rpartition(":")[2] for source, _, _ in second.bad_rows] == ["2"]


def test_observers_see_the_run_and_each_new_trace(tmp_path: Path) -> None:
    seen: list[Any] = []

    def run_started(run: RunInfo, folder: Path) -> None:
        seen.append((run.config["prompts"], folder))

    def trace_finished(trace: Trace) -> None:
        seen.append(trace.status)

    def run_finished(run: RunInfo, result: RunResult) -> None:
        seen.append(result)

    plugin: list[Callable[..., Any]] = [run_started, trace_finished, run_finished]
    made = run(tmp_path, ["rude day", "good day"], STYLE, plugin=plugin)
    assert (seen[0], sorted(seen[1:3]), seen[3:]) == (
        ("prompts.jsonl", tmp_path / "run"),
        ["paired", "rejected"],
        [made.result],
    )
    seen.clear()
    again = run(tmp_path, ["rude day", "good day"], STYLE, plugin=plugin)
    assert seen == [("prompts.jsonl", tmp_path / "run"), again.result]


def test_observers_are_told_of_a_run_that_failed(tmp_path: Path) -> None:
    heard: list[RunResult] = []

    def run_finished(result: RunResult) -> None:
        heard.append(result)

    def gone(question: str, sample: int) -> str:
        raise ModelUnavailableError("no server is there")

    with pytest.raises(ModelUnavailableError):
        run(tmp_path, ["rude day"], STYLE, plugin=[run_finished], world=World(respond=gone))
    assert [(result.status, result.message, result.pairs) for result in heard] == [("failed", "no server is there", 0)]


def test_prompts_that_cannot_be_read_to_their_end_fail_the_run(tmp_path: Path) -> None:
    """Nobody who looks at the folder takes it for one that goes on."""
    (tmp_path / "late.csv").write_bytes(b"prompt\nrude one\nrude \xff\n")
    config, folder = RunConfig(prompts="late.csv"), RunFolder(tmp_path / "run")
    folder.create()
    with pytest.raises(PromptFileError, match="not UTF-8"):
        asyncio.run(run_prompts(config, folder, PluginHost(installed=False), tmp_path))
    with LedgerView(folder.ledger) as view:
        assert view.meta("status") == "failed"


def test_a_file_that_a_killed_process_left_empty_is_a_new_ledger(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    folder.ledger.touch()
    assert not folder.started
    assert run(tmp_path, ["rude day"], STYLE).result.pairs == 1


def test_a_file_without_tables_is_a_new_ledger_too(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    made = sqlite3.connect(folder.ledger)
    made.execute("PRAGMA journal_mode=WAL")
    made.close()
    with pytest.raises(LedgerError, match="holds nothing yet"):
        LedgerView(folder.ledger)
    assert run(tmp_path, ["rude day"], STYLE).result.pairs == 1


def test_another_database_is_left_alone(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    made = sqlite3.connect(folder.ledger)
    made.execute("CREATE TABLE mine (x)")
    made.close()
    before = folder.ledger.read_bytes()
    with pytest.raises(LedgerError, match="is not a run ledger"):
        run(tmp_path, ["rude day"], STYLE)
    assert folder.ledger.read_bytes() == before


def test_after_a_run_its_ledger_is_one_file(tmp_path: Path) -> None:
    made = run(tmp_path, ["rude day"], STYLE)
    (tmp_path / "copy").mkdir()
    shutil.copy(tmp_path / "run" / "run.db", tmp_path / "copy" / "run.db")
    with LedgerView(tmp_path / "copy" / "run.db") as view:
        assert view.one("SELECT count(*) FROM calls") == made.result.calls_made
        assert view.meta("status") == "complete"


def test_when_one_answer_fails_its_siblings_ask_no_further(tmp_path: Path) -> None:
    """Two answers of one prompt: the check of the first fails, the second's revisions would be asked for nothing."""

    def violates(answer: str, word: str) -> float:
        if "zero" in answer:
            raise ValueError("broken")
        return 0.95

    world = World(respond=lambda question, sample: f"{question} {('zero', 'one')[sample]} rude", violates=violates)
    made = run(tmp_path, ["a"], STYLE, world=world, responses=2, max_failure_rate=1)
    assert made.trace.status == "failed"
    assert not [text for text in world.templates_asked if "Write the revised answer only" in text]


def test_identical_requests_in_flight_share_one_call(tmp_path: Path) -> None:
    """Two answers with the same words: every check of the second is a check of the first."""
    world = World(respond=lambda question, sample: question)
    made = run(tmp_path, ["rude day"], STYLE, world=world, responses=2)
    assert made.result.calls_reused > 0
    with LedgerView(tmp_path / "run" / "run.db") as view:
        assert view.one("SELECT count(*) FROM calls") == made.result.calls_made
    assert len(world.asked) == made.result.calls_made
