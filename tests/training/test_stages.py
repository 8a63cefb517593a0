"""The other losses, reward models and online training, on a tiny model: each learns, resumes, and is used by name."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from constitutional.config.run import RunConfig
from constitutional.errors import ConfigError, ModelUnavailableError, UsageError
from constitutional.pipeline.setup import assemble
from constitutional.plugins import PluginHost
from constitutional.training.estimate import estimate
from constitutional.training.ready import begin
from constitutional.training.run import TrainResult, train
from constitutional.training.settings import TrainSettings
from tests.training.planted import pair, write
from tests.training.test_train import last, settings

PRINCIPLES = """
name: letters
version: "1"
tiers:
  - id: first
    force: soft
    principles:
      - {id: letters, statement: Use many letters.}
"""
LETTERS = [{"check": "matches", "pattern": letter} for letter in "aeionrst"]


def run_file(folder: Path, **changes: Any) -> Path:
    """A run that no model is needed for."""
    (folder / "letters.yaml").write_text(PRINCIPLES)
    given = {"constitution": "letters.yaml", "scorer": {"plugin": "rules", "options": {"rules": LETTERS}}}
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(given | changes))
    return path


def online(tmp_path: Path, tiny: Path, stage: str, **changes: Any) -> TrainSettings:
    given: dict[str, Any] = {
        "stages": (stage,), "run": str(run_file(tmp_path)), "answer_tokens": 12, "lr": 1e-2, "beta": 0.01, "batch": 32,
        "micro_batch": 32, "max_steps": 12, "eval_every": 20, "save_every": 4, "guards": ("kl=warn",),
    }  # fmt: skip
    return settings(tmp_path, tiny, **(given | changes))


# --- other losses -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "lora"), [("orpo", None), ("kto", None), ("kto", 8)])
def test_other_losses_learn_planted_preferences(tmp_path: Path, tiny: Path, loss: str, lora: int | None) -> None:
    made = train(settings(tmp_path, tiny, loss=loss, lora=lora, lr=1e-3 if lora is None else 5e-3, epochs=2.0))
    stage = last(made)
    assert stage["after"]["loss"] < 0.9 * stage["before"]["loss"]
    assert stage["after"]["rewards/margins"] > stage["before"]["rewards/margins"] + 0.01
    if loss == "orpo":
        assert stage["after"]["rewards/accuracies"] > 0.9
        assert "experimental" in made.record["notes"][0]
        assert "experimental" in (made.out / "README.md").read_text()
    else:
        assert stage["rows"] > 150
        assert "both answers of every pair" in (made.out / "README.md").read_text()


def test_kto_weighs_few_good_answers_as_much_as_many_bad_ones() -> None:
    from constitutional.training.tokens import TokenRows
    from constitutional.training.trainers.kto import balance

    assert balance(TokenRows([{"label": True}] * 10 + [{"label": False}] * 30)) == (3.0, 1.0)
    assert balance(TokenRows([{"label": True}] * 30 + [{"label": False}] * 10)) == (1.0, 3.0)


def test_what_cannot_be_meant_is_said(tmp_path: Path, tiny: Path) -> None:
    for changes, said in (
        ({"loss": "kto", "labels": "soft"}, "takes every label as certain"),
        ({"loss": "kto", "micro_batch": 1}, "takes at least 2"),
        ({"stages": ("dpo", "grpo")}, "sft and one other stage after it"),
        ({"stages": ("reward", "sft")}, "sft and one other stage after it"),
        ({"stages": ("grpo",), "generations": 5}, "takes whole prompts"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=said):
            settings(tmp_path, tiny, **changes).check()


@pytest.mark.parametrize("changes", [{"loss": "orpo"}, {"loss": "kto"}, {"stages": ("reward",)}, {"stages": ("rloo",)}])
def test_what_a_training_would_be_is_known_before(tmp_path: Path, tiny: Path, changes: dict[str, Any]) -> None:
    wanted = settings(tmp_path, tiny, **({"run": str(run_file(tmp_path)), "answer_tokens": 12} | changes))
    _, ready = begin(wanted)
    (plan,) = estimate(ready)
    assert plan.rows > 90
    assert plan.steps == math.ceil(
        plan.rows * (8 if "stages" in changes and changes["stages"] == ("rloo",) else 1) / 16
    )
    assert plan.longest > 10


# --- reward models ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("lora", [None, 8])
def test_a_reward_model_learns_and_grades_by_name(tmp_path: Path, tiny: Path, lora: int | None) -> None:
    made = train(settings(tmp_path, tiny, stages=("reward",), lora=lora, lr=1e-3 if lora is None else 5e-3))
    stage = last(made)
    assert stage["after"]["rewards/accuracies"] > 0.9
    assert stage["after"]["loss"] < 0.8 * stage["before"]["loss"]
    assert (made.out / "config.json").is_file()
    assert "text-classification" in (made.out / "README.md").read_text()
    good, bad = asyncio.run(graded(made.out))
    assert good > 0.5 > bad


async def graded(folder: Path) -> tuple[float, float]:
    """A good and a bad answer, by a run whose scorer and judge are the folder."""
    from constitutional.core.records import Message, Prompt, Response
    from constitutional.pipeline.bind import Unasked
    from constitutional.roles import settled

    class Working(Unasked):
        def remember(self, worker: Any) -> Any:
            async def work(question: Any, work: Any, *, assumed: Any = None, complete: bool = False) -> Any:
                return await work()

            return work

    use = {"plugin": "reward-model", "options": {"model": folder.name}}
    config = RunConfig.model_validate({"constitution": "base", "scorer": use, "judge": use})
    cast = assemble(config, PluginHost(), folder.parent, Working()).cast
    row = pair(7000)
    prompt = Prompt("p", tuple(Message(**turn) for turn in row["prompt"]))
    answers = [Response(name, "p", row[name][0]["content"], "m", 0, "") for name in ("chosen", "rejected")]
    principle = cast.constitution.tiers[0].principles[0]
    scores: list[Any] = [await settled(cast.scorer.score(prompt, answer, principle)) for answer in answers]
    judgement: Any = await settled(cast.judge.judge(prompt, answers[0], answers[1], principle))
    assert judgement.p is not None
    assert judgement.p > 0.5
    return float(scores[0].value), float(scores[1].value)


def test_the_loss_of_a_grader_is_trls_own_where_labels_are_certain(tmp_path: Path, tiny: Path) -> None:
    """And a label of one half holds both answers together."""
    from trl import RewardConfig, RewardTrainer

    from constitutional.training.trainers.reward import GradeTrainer

    class Given:
        def __init__(self, rewards: torch.Tensor) -> None:
            self.logits = rewards[:, None]

    rewards = torch.tensor([1.5, -0.25, 0.5, 0.75])
    batch = {"attention_mask": torch.ones(4, 3), "input_ids": torch.ones(4, 3)}

    def loss(kind: Any, **more: Any) -> float:
        from collections import defaultdict
        from types import SimpleNamespace

        trainer = object.__new__(kind)
        trainer.args = RewardConfig(str(tmp_path), center_rewards_coefficient=0.01, bf16=False, use_cpu=True)
        trainer.model = SimpleNamespace(training=True)
        trainer._metrics, trainer._total_train_tokens, trainer._tp_size = {"train": defaultdict(list)}, 0, 1
        trainer.accelerator = SimpleNamespace(gather=lambda x: x, gather_for_metrics=lambda x: x)
        return float(trainer.compute_loss(lambda **_: Given(rewards), dict(batch) | more))

    certain = {"p": torch.ones(2), "weight": torch.ones(2)}
    assert loss(GradeTrainer, **certain) == pytest.approx(loss(RewardTrainer), rel=1e-6)
    even = {"p": torch.full((2,), 0.5), "weight": torch.ones(2)}
    turned = torch.tensor([0.5, 0.75, 1.5, -0.25])
    one = loss(GradeTrainer, **even)
    rewards = turned
    assert loss(GradeTrainer, **even) == pytest.approx(one, rel=1e-6)


# --- online -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "lora"), [("grpo", None), ("rloo", None), ("rloo", 8)])
def test_the_reward_rises(tmp_path: Path, tiny: Path, stage: str, lora: int | None) -> None:
    changes = {} if lora is None else {"lora": lora, "lr": 3e-2}
    made = train(online(tmp_path, tiny, stage, max_steps=24, **changes))
    log = [json.loads(line) for line in (made.out / "log.jsonl").read_text().splitlines()]
    looked = [line for line in log if "reward" in line]
    rewards = [line["reward"] for line in looked]
    assert sum(rewards[-5:]) / 5 > sum(rewards[:5]) / 5 + 0.15
    assert {"reward", "loss"} <= last(made)["after"].keys()
    assert all(0 < line["reward/tier:first"] <= 1 for line in looked)
    assert "held-out reward" in (made.out / "README.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [{"stages": ("grpo",)}, {"stages": ("rloo",), "lora": 8}, {"stages": ("reward",)}, {"loss": "orpo"}, {"loss": "kto"},
     {"loss": "kto", "lora": 8}],
)  # fmt: skip
def test_a_training_that_was_interrupted_is_the_same_training(
    tmp_path: Path, tiny: Path, changes: dict[str, Any]
) -> None:
    short = {"max_steps": 6, "save_every": 2, "samples": 2, "stages": ("dpo",), "lr": 1e-3} | changes
    whole = train(online(tmp_path, tiny, "", out=str(tmp_path / "whole"), **short))
    wanted = online(tmp_path, tiny, "", out=str(tmp_path / "halves"), **short)
    assert interrupted(wanted, after=3).status == "interrupted"
    assert not (tmp_path / "halves").exists()
    resumed = train(wanted)
    assert resumed.status == "complete"
    one, other = trained(whole.out), trained(resumed.out)
    assert max(float((one[name] - other[name]).abs().max()) for name in one) < 1e-6


def trained(folder: Path) -> dict[str, torch.Tensor]:
    """A model's weights, or an adapter's."""
    (file,) = folder.glob("*model.safetensors")
    return dict(load_file(file))


def interrupted(wanted: TrainSettings, after: int) -> TrainResult:
    """As by Ctrl-C at a step."""
    from constitutional.training.stop import INTERRUPTED
    from constitutional.training.trainers import callbacks

    class AtStep(callbacks.Interruption):
        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            if state.global_step == after:
                self._stop.ask(INTERRUPTED)
            super().on_step_end(args, state, control, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("constitutional.training.trainers.fit.Interruption", AtStep)
        return train(wanted)


def test_a_critic_that_condemns_everything_is_pointed_out(tmp_path: Path, tiny: Path) -> None:
    wanted = online(tmp_path, tiny, "rloo", max_steps=1)
    write(tmp_path / "critic.jsonl", [{"when": "", "choose": {"yes": 1.0}, "reply": "It is bad."}])
    (tmp_path / "letters.yaml").write_text(PRINCIPLES.replace("force: soft", "force: hard"))
    rules = {"plugin": "rules", "options": {"rules": LETTERS}}
    given = {"constitution": "letters.yaml", "scorer": rules, "models": {"policy": "scripted:critic.jsonl"}}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(given))
    stage = last(train(wanted))
    assert (stage["after"]["reward"], stage["after"]["reward/hard_violations"]) == (-1.0, 1.0)
    assert "100% of the answers break a hard tier" in stage["notes"][1]


def test_online_training_needs_somebody_to_ask(tmp_path: Path, tiny: Path) -> None:
    with pytest.raises(UsageError, match=r"--run RUN.yaml, or train on a finished run"):
        train(online(tmp_path, tiny, "grpo", run=None))
    with pytest.raises(ConfigError, match="no run file and no run folder"):
        train(online(tmp_path, tiny, "grpo", run="nowhere.yaml"))
    wanted = online(tmp_path, tiny, "grpo")
    run_file(tmp_path, scorer="pointwise")
    with pytest.raises(ModelUnavailableError, match=r"asks a model, and run.yaml names none"):
        train(wanted)


def test_another_reward_is_another_training(tmp_path: Path, tiny: Path) -> None:
    wanted = online(tmp_path, tiny, "rloo", max_steps=1)
    train(wanted)
    assert train(wanted).status == "done"
    run_file(tmp_path, scorer={"plugin": "rules", "options": {"rules": LETTERS[:2]}})
    with pytest.raises(UsageError, match="the reward itself"):
        train(wanted)


def test_prompts_alone_are_enough(tmp_path: Path, tiny: Path) -> None:
    rows = [{"prompt": f"How is the fox {number}?"} for number in range(30)]
    data = write(tmp_path / "prompts.jsonl", rows)
    made = train(online(tmp_path, tiny, "rloo", source=str(data), max_steps=1))
    assert made.record["rows"]["prompts"]["read"] == 30
