"""The judge and the scorer of a reward model, in a real run: recorded, resumed without the model, and seen in the plan."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from constitutional.core.stats.regression import sigmoid
from constitutional.errors import ConfigError, ModelUnavailableError, RequestRefusedError
from constitutional.models.reward_model import RewardModel, RewardSetup
from constitutional.pipeline.bind import Unasked
from constitutional.pipeline.estimate import estimate
from constitutional.pipeline.setup import Assembly, assemble
from constitutional.plugins import PluginHost
from tests.models.test_reward_model import directly
from tests.support.judging import PROMPT, QUESTION, Bench
from tests.support.runs import World, run, tier
from tests.support.tiny_model import make_tiny_reward

pytest.importorskip("transformers")

A, B = "Paris is the capital of France.", "I cannot help with that."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_reward(tmp_path_factory.mktemp("rewards") / "tiny-reward", seed=3)


def test_p_follows_from_the_rewards(bench: Bench, folder: Path) -> None:
    first, second = directly(folder, QUESTION, [A, B])
    options: dict[str, Any] = {"model": str(folder), "scale": 2}
    judged, turned = bench.judge_all("reward-model", [(A, B), (B, A)], options)
    assert judged.p == judged.p_ab == judged.p_ba == pytest.approx(sigmoid((first - second) / 2), abs=1e-4)
    assert turned.p == pytest.approx(1 - (judged.p or 0))
    assert (judged.method, judged.position_offset) == ("reward", 0)
    assert judged.note.startswith("rewards ")
    score = bench.score("reward-model", A, options)
    assert score.value == pytest.approx(sigmoid(first / 2), abs=1e-4)
    assert score.method == "reward"


def test_rewards_are_recorded_and_shared(bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge and scorer, another scale, another batch: one reward per answer, and no model the second time."""
    options: dict[str, Any] = {"model": str(folder)}
    judged = bench.judge("reward-model", A, B, options)

    def refuse(self: RewardModel) -> None:
        raise AssertionError("the model was loaded for nothing")

    monkeypatch.setattr(RewardModel, "_load", refuse)
    assert bench.judge("reward-model", A, B, options) == judged
    assert bench.judge("reward-model", A, B, options | {"scale": 2.0, "max_batch": 3}).p != judged.p
    assert bench.score("reward-model", B, options).value is not None
    with pytest.raises(AssertionError, match="for nothing"):
        bench.score("reward-model", "Another answer.", options | {"max_batch": 5})


def test_in_a_run_it_is_asked_once_per_answer_and_counts_as_calls(tmp_path: Path, folder: Path) -> None:
    part = {"plugin": "reward-model", "options": {"model": str(folder)}}
    settings: dict[str, Any] = {"judge": part, "scorer": part, "responses": 2, "strategy": "best-vs-worst", "rounds": 0}
    tiers = tier("t", "strong", "one", "two", "three")
    world = World(respond=lambda question, sample: f"{question} {sample}")
    made = run(tmp_path, ["a b c", "d e"], tiers, world=world, **settings)
    assert made.result.pairs == 2
    assert {judged.method for trace in made.traces for judged in trace.judgements} == {"reward"}
    assert made.result.calls_made == 4 + 4, "four answers and their rewards"
    again = run(tmp_path, ["a b c", "d e"], tiers, world=world, **settings)
    assert (again.result.calls_made, again.result.pairs) == (0, 2)
    assert again.traces == made.traces


def test_a_dry_run_loads_nothing_and_counts(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RewardModel, "_load", lambda self: pytest.fail("the model was loaded"))
    bench = Bench(tmp_path)
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "Hello?"}\n')
    part = {"plugin": "reward-model", "options": {"model": str(folder)}}
    config = bench.config(
        prompts="prompts.jsonl", scorer=part, judge=part, strategy="best-vs-worst", responses=2, rounds=0
    )
    made = estimate(config, PluginHost(), tmp_path)
    assert made.high["scorer"].calls >= 2


def test_a_retrained_model_is_another_plan(tmp_path: Path) -> None:
    folder = make_tiny_reward(tmp_path / "reward")
    bench = Bench(tmp_path)

    def plan() -> str:
        config = bench.config(judge={"plugin": "reward-model", "options": {"model": str(folder)}})
        made: Assembly = assemble(config, PluginHost(), tmp_path, Unasked())
        return made.plan

    before = plan()
    assert plan() == before
    make_tiny_reward(folder, seed=9)
    assert plan() != before


def test_a_relative_path_starts_from_the_run_file(bench: Bench) -> None:
    make_tiny_reward(bench.folder / "models" / "mine")
    judged = bench.judge("reward-model", A, B, {"model": "models/mine"})
    assert judged.p == bench.judge("reward-model", A, B, {"model": str(bench.folder / "models" / "mine")}).p


def test_wrong_options(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"judge.options.model: Field required"):
        bench.judge("reward-model", A, B)
    with pytest.raises(ConfigError, match=r"judge.options.scale"):
        bench.judge("reward-model", A, B, {"model": "x", "scale": 0})
    with pytest.raises(ModelUnavailableError, match="no such folder"):
        bench.judge("reward-model", A, B, {"model": str(tmp_path / "nowhere")})


def test_a_reward_that_is_no_number_costs_only_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def settled(self: Any, row: Any) -> float:
        return float("nan")

    model = RewardModel(RewardSetup(str(folder)))
    monkeypatch.setattr("constitutional.models.local.padded.Batches.settled", settled)
    with pytest.raises(RequestRefusedError, match="try dtype: float32"):
        asyncio.run(model.reward(PROMPT.messages, A))
    model.close()
