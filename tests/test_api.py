"""The commands from Python: in a script, in a thread, and where a loop is running already."""

from __future__ import annotations

import asyncio
import json
import pydoc
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

import constitutional
from constitutional import ConfigError, ConstitutionalError, Generated, generate
from constitutional.ledger import RunFolder
from constitutional.loops import run_to_end
from tests.support import processes

PROMPTS: list[str | dict[str, Any]] = [
    "When will my parcel arrive?",
    {"prompt": "Do you sell hammocks?", "tags": ["shop"]},
]
DEMO = {"models": {"policy": "scripted:demo"}, "constitution": "base"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_run_from_data_is_a_run_like_any_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = generate(DEMO | {"out": Path("runs/mine")}, prompts=PROMPTS)
    assert (made.folder, made.result.status, made.result.prompts) == (Path("runs/mine"), "complete", 2)
    assert (made.dataset / "README.md").is_file()
    assert capsys.readouterr() == ("", "")
    arguments = [sys.executable, "-m", "constitutional", "generate", "runs/mine", "--json"]
    again = subprocess.run(arguments, cwd=tmp_path, env=processes.environment(), capture_output=True, check=True)
    assert json.loads(again.stdout)["calls_made"] == 0


def test_the_same_call_again_asks_nothing_and_a_folder_is_a_run() -> None:
    first = generate(DEMO | {"prompts": PROMPTS, "out": "mine"})
    assert first.result.calls_made > 0
    for run in (DEMO | {"prompts": PROMPTS, "out": "mine"}, "mine", Path("mine/config.yaml")):
        assert generate(run).result.calls_made == 0
    assert generate("mine", fresh=True).folder.name == "mine-2"


def test_a_run_file_is_read_from_its_own_folder() -> None:
    Path("there").mkdir()
    Path("there/prompts.jsonl").write_text('{"prompt": "When will my parcel arrive?"}\n')
    Path("there/run.yaml").write_text("prompts: prompts.jsonl\nmodels: {policy: scripted:demo}\nout: out\n")
    made = generate("there/run.yaml")
    assert made.folder.resolve() == Path("there/out").resolve()
    assert made.result.status == "complete"


def test_where_a_loop_is_running_as_in_a_notebook() -> None:
    async def cell() -> Generated:
        return generate(DEMO | {"out": "mine"}, prompts=PROMPTS)

    assert asyncio.run(cell()).result.status == "complete"


def test_in_threads_side_by_side() -> None:
    made: dict[str, Generated] = {}

    def work(name: str) -> None:
        made[name] = generate(DEMO | {"out": name}, prompts=PROMPTS)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: found.result.status for name, found in made.items()} == {"one": "complete", "two": "complete"}


@pytest.mark.parametrize(
    ("run", "prompts", "said"),
    [
        ({}, None, "no prompts: name a file under `prompts`"),
        ({}, PROMPTS, "models.policy: name the model that answers"),
        ({"promts": "x"}, None, "promts: unknown key; did you mean 'prompts'?"),
        ({"models": {"policy": "demo"}}, PROMPTS, "'demo' is not of the form provider:model"),
        (DEMO, [], "prompts: the list is empty"),
        (DEMO, [1], "prompts[0]: a text, or a row of plain values, not 1"),
        ("nowhere.yaml", None, "nowhere.yaml: no such file"),
        (DEMO | {"prompts": "nowhere.jsonl"}, None, "nowhere.jsonl: no such file"),
        (DEMO | {"constitution": "bsae"}, PROMPTS, "did you mean 'base'?"),
    ],
)
def test_a_mistake_is_an_error_that_says_so(run: Any, prompts: Any, said: str) -> None:
    with pytest.raises(ConstitutionalError) as raised:
        generate(run, prompts=prompts)
    assert said in str(raised.value)
    assert not Path("runs").exists()


def test_answers_of_another_policy_are_no_accident() -> None:
    generate(DEMO | {"out": "mine"}, prompts=PROMPTS)
    with pytest.raises(ConstitutionalError, match="holds a run with other answers"):
        generate(DEMO | {"out": "mine", "seed": 7}, prompts=PROMPTS)
    assert generate(DEMO | {"out": "mine", "seed": 7}, prompts=PROMPTS, accept_changes=True).result.calls_made > 0


def test_an_interrupt_in_a_notebook_ends_what_runs_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    started, ended = threading.Event(), threading.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    def interrupted(future: Future[Any], timeout: float | None = None) -> None:
        started.wait()
        raise KeyboardInterrupt

    async def cell() -> None:
        monkeypatch.setattr(Future, "result", interrupted)
        run_to_end(work())

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(cell())
    assert ended.is_set()


def test_help_and_completion_show_what_is_there() -> None:
    assert {"generate", "train", "evaluate", "Judgement"} <= set(dir(constitutional))
    shown = pydoc.plain(pydoc.render_doc(constitutional))
    assert "From Python: ``generate(run)`` makes a dataset" in shown
    assert "generate(run: 'Run'" in shown


def test_the_lock_holds_here_too() -> None:
    generate(DEMO | {"out": "mine"}, prompts=PROMPTS)
    with RunFolder(Path("mine")).lock(), pytest.raises(ConstitutionalError, match="in use"):
        generate("mine")


def test_errors_of_a_run_are_one_tree() -> None:
    assert issubclass(ConfigError, ConstitutionalError)
