from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import constitutional_trace_stream as plugin
import pytest

from constitutional import RunInfo, RunResult
from constitutional.plugins import PluginHost
from constitutional.testing import trace

RUN = RunInfo({"seed": 0}, "plan")
RESULT = RunResult("complete", 2, 2)


@pytest.fixture
def host() -> Iterator[PluginHost]:
    made = PluginHost(installed=False).load()
    assert made.add(plugin, "trace_stream", "constitutional-trace-stream", "0.1.0").error is None
    yield made
    plugin._close()


def tell(host: PluginHost, folder: Path) -> None:
    host.observe("run_started", run=RUN, folder=folder)
    for _ in range(2):
        host.observe("trace_finished", trace=trace("Long, long, long.", "Short."))
    host.observe("run_finished", run=RUN, result=RESULT)


def test_it_says_nothing_unless_asked(host: PluginHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(plugin.VARIABLE, raising=False)
    tell(host, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["traces.jsonl", "other.jsonl"])
def test_each_trace_is_a_line(host: PluginHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(plugin.VARIABLE, "jsonl" if name == "traces.jsonl" else f"jsonl:{tmp_path / name}")
    tell(host, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / name).read_text(encoding="utf-8").splitlines()]
    assert [line["event"] for line in lines] == ["trace", "trace", "run_finished"]
    assert lines[1]["figures"] == {
        "prompts": 2, "pairs": 2, "failed": 0, "margin": pytest.approx(0.8), "chosen_longer": 1.0
    }  # fmt: skip
    assert lines[0]["trace"]["pairs"][0]["chosen"]["text"] == "Long, long, long."
    assert lines[2]["result"]["status"] == "complete"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [("csv", "expected jsonl"), ("wandb:", "expected jsonl"), ("trackio:mine", "trackio is not installed")],
)
def test_what_cannot_be_opened_is_reported_and_stops_nothing(
    host: PluginHost,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    wanted: str,
    message: str,
) -> None:
    monkeypatch.setitem(sys.modules, "trackio", None)
    monkeypatch.setenv(plugin.VARIABLE, wanted)
    tell(host, tmp_path)
    assert message in capsys.readouterr().err


def test_a_tracker_gets_figures_and_no_text(
    host: PluginHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`wandb` and `trackio` are called alike: init gives a run with log and finish."""
    told: list[Any] = []

    class Run:
        def log(self, figures: dict[str, float]) -> None:
            told.append(figures)

        def finish(self) -> None:
            told.append("finished")

    tracker = ModuleType("trackio")

    def init(**how: Any) -> Run:
        print("a new run")
        told.append(how)
        return Run()

    vars(tracker)["init"] = init
    monkeypatch.setitem(sys.modules, "trackio", tracker)
    monkeypatch.setenv(plugin.VARIABLE, "trackio:mine")
    tell(host, tmp_path)
    assert told[0] == {"project": "mine", "name": tmp_path.name, "config": {"plan": "plan", "seed": 0}}
    assert told[2]["pairs"] == 2
    assert told[-2:] == [{"final/pairs": 2, "final/calls": 0, "final/failures": 0}, "finished"]
    assert "Long" not in str(told)
    assert capsys.readouterr() == ("", "a new run\n")
