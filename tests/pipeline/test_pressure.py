"""When a prompt is begun: while too few calls wait, and not before the prompts that are begun need the model less."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from constitutional.config.run import IN_FLIGHT, RunConfig
from constitutional.core.messages import ChatRequest
from constitutional.ledger import RunFolder
from constitutional.models.throttle import START, Throttle
from constitutional.models.vllm import VLLMModel
from constitutional.pipeline.driver import PRESSURE, WINDOW
from constitutional.pipeline.models import Models
from constitutional.pipeline.run import run_prompts
from constitutional.pipeline.state import RunState
from constitutional.plugins import PluginHost
from constitutional.roles import RunResult
from tests.support.runs import tier

PLACES, PROMPTS = 4, 60
WORDS = ("mara", "sone", "vela", "teri", "lina", "coru")


class Stage:
    """Two models that answer when they are told to. Each holds ``PLACES`` calls at once; the others wait before it."""

    def __init__(self) -> None:
        self.held: dict[str, list[asyncio.Future[None]]] = {"policy": [], "critic": []}
        self.open = {"policy": False, "critic": False}
        self.answered = {"policy": 0, "critic": 0}
        self.most = 0
        """Calls that were ever under way at once."""
        self.state: RunState | None = None

    async def answer(self, model: str, options: tuple[str, ...] | None) -> Any:
        self.most = max(self.most, self.under_way)
        if not self.open[model]:
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.held[model].append(place)
            await place
        self.answered[model] += 1
        return "A fine answer." if options is None else {"no": 1.0}

    def release(self, model: str, most: int | None = None) -> None:
        """Without a number: all, and whatever comes later."""
        self.open[model] = self.open[model] or most is None
        held = self.held[model]
        going, self.held[model] = held[:most], held[len(held) if most is None else most :]
        for place in going:
            place.set_result(None)

    def calls(self, model: str) -> int:
        """At the model and before it."""
        throttle = self._throttle(model)
        return throttle.active + throttle.waiting

    @property
    def under_way(self) -> int:
        return self.calls("policy") + self.calls("critic")

    @property
    def begun(self) -> int:
        """Prompts: each asks the policy once, and first of all."""
        return self.answered["policy"] + self.calls("policy")

    def _throttle(self, model: str) -> Throttle:
        assert self.state is not None
        (found,) = (one for one in self.state.throttles.values() if one.name.endswith(f":{model}"))
        return found

    async def until(self, reached: Callable[[], bool]) -> None:
        """However long it takes: the suite's own time-out ends what is never reached."""
        while not reached():
            await asyncio.sleep(0.001)
            if self.state is not None:
                self.most = max(self.most, self.under_way)


_stages: list[Stage] = []


async def policy(request: ChatRequest, options: tuple[str, ...] | None) -> Any:
    return await _stages[-1].answer("policy", options)


async def critic(request: ChatRequest, options: tuple[str, ...] | None) -> Any:
    return await _stages[-1].answer("critic", options)


def staged(folder: Path, play: Callable[[Stage], Any], rounds: int) -> tuple[Stage, RunResult]:
    """A whole run, while ``play`` tells its models when to answer."""
    (folder / "words.yaml").write_text(json.dumps({"name": "words", "tiers": [tier("t", "soft", *WORDS)]}))
    (folder / "prompts.jsonl").write_text("".join(f'{{"prompt": "Question {n}?"}}\n' for n in range(PROMPTS)))
    models = {name: {"name": f"scripted:{__name__}:{name}", "concurrency": PLACES} for name in ("policy", "critic")}
    config = RunConfig.model_validate(
        {"prompts": "prompts.jsonl", "constitution": "words.yaml", "models": models, "rounds": rounds}
        | {"concurrency": 2 * PLACES, "max_failure_rate": 1.0}
    )
    run_folder = RunFolder(folder / "run")
    run_folder.create()
    stage = Stage()

    async def both() -> RunResult:
        def started(state: RunState) -> None:
            stage.state = state

        running = asyncio.create_task(run_prompts(config, run_folder, PluginHost(), folder, started=started))
        await stage.until(lambda: stage.state is not None)
        await play(stage)
        return await running

    _stages.append(stage)
    try:
        return stage, asyncio.run(both())
    finally:
        _stages.pop()


BOUND = PRESSURE * 2 * PLACES
"""Two models of ``PLACES`` each."""


def test_as_many_calls_wait_as_are_answered_and_never_more(tmp_path: Path) -> None:
    """Each answer that is given lets a prompt begin, long before the window is full."""

    async def play(stage: Stage) -> None:
        await stage.until(lambda: stage.under_way >= BOUND)
        while stage.begun < PROMPTS:
            await stage.until(lambda: bool(stage.held["policy"]))
            stage.release("policy", 1)
            await stage.until(lambda: stage.under_way >= BOUND or stage.begun == PROMPTS)
        stage.release("policy")

    stage, result = staged(tmp_path, play, rounds=0)
    assert BOUND < WINDOW * 2 * PLACES < PROMPTS
    assert BOUND <= stage.most <= BOUND + 1, "a prompt that has just begun may not have asked yet"
    assert (result.status, result.prompts, stage.answered["policy"]) == ("complete", PROMPTS, PROMPTS)


def test_prompts_that_are_begun_are_finished_before_more_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One check of an answer becomes as many as there are principles. While these fill the models, no prompt is begun."""
    monkeypatch.setattr("constitutional.pipeline.driver.LOOK", 0.0005)
    held_back = 0

    async def settled(stage: Stage) -> None:
        """Until nothing moves any more. A busy machine may seem still too soon, which hides a fault and makes none."""
        before, still = (-1, -1), 0
        while still < 5:
            await asyncio.sleep(0.001)
            now = (stage.begun, stage.under_way)
            before, still = now, still + 1 if now == before else 0

    async def play(stage: Stage) -> None:
        nonlocal held_back
        stage.release("policy")
        await stage.until(lambda: bool(stage.held["critic"]))
        stage.release("critic", 1)  # whether the model gives log-probabilities: the others wait for this call
        await stage.until(lambda: stage.calls("critic") >= BOUND)
        while stage.answered["critic"] < PROMPTS * len(WORDS):
            await settled(stage)
            begun, full = stage.begun, stage.calls("critic") - PLACES >= BOUND
            stage.release("critic", PLACES)
            await settled(stage)
            if full:
                assert stage.begun == begun, f"{stage.calls('critic')} calls under way"
                held_back += 1

    stage, result = staged(tmp_path, play, rounds=1)
    assert held_back > PROMPTS // 3
    assert (result.status, result.prompts, stage.answered["policy"]) == ("complete", PROMPTS, PROMPTS)


def test_an_engine_in_this_process_is_given_as_many_at_once_as_the_run_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has a queue of its own, and is not overloaded: a careful start would leave it places that nobody takes."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "config.json").write_text("{}")
    monkeypatch.setattr(VLLMModel, "places", lambda self: 300)
    named = {"policy": "vllm:folder", "critic": "transformers:folder", "judge": "scripted:demo"}
    models = Models(RunConfig.model_validate({"models": named, "concurrency": 200}), PluginHost(), tmp_path)
    assert [models.throttle(role).limit for role in named] == [200, 200, START]
    assert all(models.throttle(role).places() is None for role in named), "where a run says it, that is what it gets"


def test_where_nobody_says_how_many_an_engine_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "config.json").write_text("{}")
    monkeypatch.setattr(VLLMModel, "places", lambda self: 300)
    named: dict[str, Any] = {"policy": "vllm:folder", "critic": "transformers:folder", "judge": "scripted:demo"}
    named["reviser"] = {"name": "vllm:folder", "concurrency": 7, "options": {"engine": {"seed": 1}}}
    models = Models(RunConfig.model_validate({"models": named}), PluginHost(), tmp_path)
    assert [models.throttle(role).limit for role in named] == [IN_FLIGHT, IN_FLIGHT, START, 7]
    assert [models.throttle(role).places() for role in named] == [300, None, None, None]
