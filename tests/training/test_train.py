"""Whole trainings of a tiny model: what it learns, what stands in its folder, and who can load it."""

from __future__ import annotations

import asyncio
import json
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from constitutional.core.messages import ChatRequest, Sampling
from constitutional.core.records import Message
from constitutional.errors import (
    ConfigError,
    MissingExtraError,
    ModelUnavailableError,
    RunStoppedError,
    UnknownNameError,
    UsageError,
)
from constitutional.models.transformers import TransformersModel
from constitutional.roles import ModelSetup
from constitutional.training.ready import check_attention, check_reporter
from constitutional.training.run import TrainResult, train
from constitutional.training.settings import TrainSettings
from constitutional.training.trainers.fit import explained
from tests.training.planted import answer, pair, write, write_dataset


def settings(tmp_path: Path, tiny: Path, **changes: Any) -> TrainSettings:
    """Ninety pairs or so, in a few seconds."""
    data = tmp_path / "data"
    if not data.exists():
        write_dataset(data, 120, 60)
    given: dict[str, Any] = {
        "source": str(data), "model": str(tiny), "out": str(tmp_path / "out"), "lr": 1e-3, "sft_lr": 3e-3,
        "micro_batch": 16, "batch": 16, "seed": 3, "cpu": True, "eval_every": 4,
        "samples": 0,
    }  # fmt: skip
    return TrainSettings(**(given | changes))


def last(result: TrainResult) -> dict[str, Any]:
    stage: dict[str, Any] = result.record["stages"][-1]
    return stage


def weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return dict(load_file(folder / "model.safetensors"))


@pytest.mark.parametrize("lora", [None, 8])
@pytest.mark.parametrize("loss", ["dpo", "ipo", "hybrid"])
def test_planted_preferences_are_learned(tmp_path: Path, tiny: Path, loss: str, lora: int | None) -> None:
    result = train(settings(tmp_path, tiny, loss=loss, lora=lora, lr=1e-3 if lora is None else 5e-3))
    stage = last(result)
    assert result.status == "complete"
    assert (stage["before"]["rewards/accuracies"], stage["held_out"] >= 5) == (0.5, True)
    assert stage["after"]["rewards/accuracies"] > 0.9
    assert stage["after"]["loss"] < stage["before"]["loss"]


@pytest.mark.slow
def test_soft_labels_do_not_push_further_than_they_say(tmp_path: Path, tiny: Path) -> None:
    """A label of 0.7 is a margin of ½ log(7/3) / β, and no more; a certain one has no end."""
    write_dataset(tmp_path / "data", 0)
    write(tmp_path / "data" / "preference" / "train.jsonl", [pair(number, 0.7) for number in range(120)])
    margins = {}
    for labels in ("soft", "hard"):
        result = train(settings(tmp_path, tiny, labels=labels, out=str(tmp_path / labels), epochs=4.0))
        margins[labels] = last(result)["after"]["rewards/margins"]
    assert margins["soft"] == pytest.approx(0.847, abs=0.3)
    assert margins["hard"] > 2 * margins["soft"]


def test_imitation_falls_and_preference_goes_on_from_it(tmp_path: Path, tiny: Path) -> None:
    helpful = write(tmp_path / "helpful.jsonl", [answer(1000 + number) for number in range(20)])
    made = train(settings(tmp_path, tiny, stages=("sft", "dpo"), helpful=str(helpful), sft_epochs=3.0))
    sft, dpo = made.record["stages"]
    assert sft["after"]["loss"] < 0.7 * sft["before"]["loss"]
    assert dpo["after"]["rewards/accuracies"] > 0.9
    assert made.record["rows"]["sft"]["notes"] == ["60 revisions", "20 helpful answers"]
    imitated, base, final = weights(made.out / "sft"), weights(tiny), weights(made.out)
    assert all(not torch.equal(imitated[name], base[name]) for name in ("lm_head.weight", "model.norm.weight"))
    assert all(not torch.equal(imitated[name], final[name]) for name in ("lm_head.weight", "model.norm.weight"))
    log = [json.loads(line) for line in (made.out / "log.jsonl").read_text().splitlines()]
    assert list(dict.fromkeys(entry["stage"] for entry in log)) == ["sft", "dpo"]


def test_imitation_and_preference_of_one_adapter(tmp_path: Path, tiny: Path) -> None:
    """The second stage's reference is the adapter as the first stage left it."""
    made = train(settings(tmp_path, tiny, stages=("sft", "dpo"), lora=8, lr=5e-3, sft_lr=1e-2, merge=True))
    sft, dpo = made.record["stages"]
    assert sft["after"]["loss"] < sft["before"]["loss"]
    assert (dpo["before"]["rewards/accuracies"], dpo["before"]["rewards/margins"]) == (0.5, 0.0)
    assert dpo["after"]["rewards/accuracies"] > 0.9
    assert (made.out / "config.json").is_file()
    assert sorted(path.name for path in (made.out / "adapter").glob("adapter_*")) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert (made.out / "sft" / "adapter_config.json").is_file()


def test_only_answers_are_imitated(tmp_path: Path, tiny: Path) -> None:
    """With prompts of noise, the loss of an answer that is always the same falls to nothing."""
    rows = [{"prompt": f"{n} {n * 7919 % 1000} {n * 104729 % 1000}", "completion": "Yes."} for n in range(80)]
    data = write(tmp_path / "answers.jsonl", rows)
    made = train(settings(tmp_path, tiny, source=str(data), stages=("sft",), sft_epochs=6.0))
    assert last(made)["before"]["loss"] > 1
    assert last(made)["after"]["loss"] < 0.1


# --- the folder -------------------------------------------------------------------------------------------------------


def ask(folder: Path) -> str:
    async def once() -> str:
        model = TransformersModel.create(ModelSetup("transformers", str(folder), None))
        try:
            request = ChatRequest((Message("user", "How is the fox?"),), Sampling(temperature=0, max_tokens=12))
            return (await model.chat(request)).text
        finally:
            await model.aclose()

    return asyncio.run(once())


def test_the_model_is_a_normal_folder_with_a_card(tmp_path: Path, tiny: Path) -> None:
    made = train(settings(tmp_path, tiny, stages=("sft", "dpo"), sft_epochs=8.0, lr=3e-4))
    assert sorted(path.name for path in made.out.iterdir()) == [
        "README.md", "chat_template.jinja", "config.json", "generation_config.json", "log.jsonl", "model.safetensors",
        "sft", "tokenizer.json", "tokenizer_config.json", "training.json",
    ]  # fmt: skip
    assert not (tmp_path / "out.part").exists()
    assert "kind" in ask(made.out)
    card = (made.out / "README.md").read_text()
    for said in (
        "| preference pairs read | 120 |", "| loss | dpo |", "## Stage `dpo`", "held-out preference accuracy",
        "## Curves of `dpo`", "| torch |", "60 revisions",
    ):  # fmt: skip
        assert said in card
    assert str(tmp_path) not in card
    log = [json.loads(line) for line in (made.out / "log.jsonl").read_text().splitlines()]
    losses = [entry for entry in log if entry["stage"] == "dpo" and "loss" in entry]
    assert [entry["step"] for entry in losses] == list(range(1, last(made)["steps"] + 1))


def test_an_adapter_is_an_adapter_until_it_is_merged(tmp_path: Path, tiny: Path) -> None:
    from peft import AutoPeftModelForCausalLM

    wanted = settings(tmp_path, tiny, lora=8, lr=5e-3)
    made = train(wanted)
    assert not (made.out / "config.json").exists()
    ask(made.out)  # over the model that it adapts
    ids = torch.arange(5, 25)[None]
    with torch.inference_mode():
        before = AutoPeftModelForCausalLM.from_pretrained(made.out, dtype=torch.float32)(input_ids=ids).logits
    merged = train(wanted.but(merge=True))
    assert merged.status == "complete"
    assert last(merged) == last(made)
    ask(made.out)
    from transformers import AutoModelForCausalLM

    with torch.inference_mode():
        after = AutoModelForCausalLM.from_pretrained(made.out, dtype=torch.float32)(input_ids=ids).logits
    assert torch.allclose(before, after, atol=1e-4)
    assert train(wanted.but(merge=True)).status == "done"


def test_an_adapter_can_be_trained_further(tmp_path: Path, tiny: Path) -> None:
    first = train(settings(tmp_path, tiny, stages=("sft",), lora=8, sft_lr=1e-2))
    second = train(settings(tmp_path, tiny, model=str(first.out), out=str(tmp_path / "second"), lr=5e-3, samples=4))
    log = [json.loads(line) for line in (second.out / "log.jsonl").read_text().splitlines()]
    divergence = [entry["kl"] for entry in log if "kl" in entry]
    assert divergence[0] == 0.0, "the adapter as it came is the reference"
    assert divergence[-1] > 0
    assert last(second)["before"]["rewards/margins"] == 0.0
    assert last(second)["after"]["rewards/accuracies"] > 0.9
    config = json.loads((second.out / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["r"]) == (str(tiny), 8)


def test_what_is_reported_to_tensorboard_outlives_the_checkpoints(tmp_path: Path, tiny: Path) -> None:
    pytest.importorskip("tensorboardX")
    made = train(settings(tmp_path, tiny, stages=("sft", "dpo"), report_to=("tensorboard",), max_steps=2, samples=2))
    for stage, figure in (("sft", b"train/loss"), ("dpo", b"train/samples/tokens")):
        (events,) = (made.out / "runs" / stage).rglob("events.out.tfevents.*")
        assert figure in events.read_bytes()
    from constitutional.dataset.push_model import model_items

    assert not [item.path for item in model_items(made.out) if "runs" in item.path]


def test_the_same_command_again_is_done_and_another_one_is_told(tmp_path: Path, tiny: Path) -> None:
    wanted = settings(tmp_path, tiny, max_steps=2)
    made = train(wanted)
    again = train(wanted.but(micro_batch=8))
    assert (again.status, again.record["stages"]) == ("done", made.record["stages"])
    with pytest.raises(UsageError, match=r"holds another training; changed since:\n  lr: 0.001 → 0.002\n"):
        train(wanted.but(lr=2e-3))
    write(tmp_path / "data" / "preference" / "train.jsonl", [pair(number) for number in range(50)])
    with pytest.raises(UsageError, match="changed since:\n  the data itself"):
        train(wanted)
    fresh = train(wanted.but(fresh=True))
    assert (fresh.status, fresh.out.name) == ("complete", "out-2")


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, tiny: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="holds something else than a training"):
        train(settings(tmp_path, tiny))


def test_reference_log_probabilities_are_computed_once(tmp_path: Path, tiny: Path, monkeypatch: Any) -> None:
    """Of one model and the same rows: whatever the loss, β or rate."""
    from constitutional.training.trainers.preference import PreferenceTrainer

    asked = []
    original = PreferenceTrainer._reference_of

    def counted(self: Any, dataset: Any, batch_size: int) -> Any:
        asked.append(len(dataset))
        return original(self, dataset, batch_size)

    monkeypatch.setattr(PreferenceTrainer, "_reference_of", counted)
    train(settings(tmp_path, tiny, max_steps=1, out=str(tmp_path / "a")))
    first = len(asked)
    train(settings(tmp_path, tiny, max_steps=1, out=str(tmp_path / "b"), loss="ipo", beta=1.0, lr=1e-4))
    assert (first, len(asked)) == (2, 2)
    train(settings(tmp_path, tiny, max_steps=1, out=str(tmp_path / "c"), system="Be kind."))
    assert len(asked) == 4, "other tokens"


# --- what cannot be meant ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"loss": "dqo"}, UnknownNameError, "no loss named 'dqo'; did you mean 'dpo'"),
        ({"stages": ("sft", "sft")}, ConfigError, "name each stage once"),
        ({"lr": 0.0}, ConfigError, "--lr: must be above 0"),
        ({"batch": 10, "micro_batch": 4}, ConfigError, "--batch 10 is no multiple of --micro-batch 4"),
        ({"held_out": 0.0}, ConfigError, "--held-out"),
        ({"merge": True}, UsageError, "--merge: there is an adapter to merge only with --lora"),
        ({"max_length": 5000}, UsageError, "the context of tiny has 1,024 tokens"),
        ({"model": "./nowhere"}, ModelUnavailableError, "no such folder"),
        ({"lora": 4, "lora_targets": "nothing_of_it"}, ConfigError, "--lora-targets nothing_of_it"),
        ({"report_to": ("trackio",)}, MissingExtraError, "trackio is not installed"),
        (
            {"report_to": ("tensorbord",)},
            UnknownNameError,
            "no --report-to named 'tensorbord'; did you mean 'tensorboard'",
        ),
        ({"attention": "flash"}, UnknownNameError, "no attention named 'flash'; .*flash_attention_2"),
        ({"attention": "flash_attention_2", "cpu": True}, UsageError, "--attention flash_attention_2: needs a GPU"),
        ({"attention": "user/kernel", "cpu": True}, UsageError, "--attention user/kernel: needs a GPU"),
        ({"liger": True}, MissingExtraError, "liger-kernel is not installed"),
        ({"chat_template": "nowhere.jinja"}, ConfigError, "--chat-template nowhere.jinja"),
    ],
)
def test_a_message_and_no_traceback(
    tmp_path: Path, tiny: Path, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        train(settings(tmp_path, tiny, **changes))


def test_a_reporter_that_lacks_a_package_of_its_own_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_a_reporter.py").write_text("import what_it_needs\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingExtraError, match=r"half_a_reporter cannot be imported: .*: pip install what_it_needs"):
        check_reporter("half_a_reporter")


def test_a_reporter_that_fails_is_told_from_the_training(tmp_path: Path, tiny: Path) -> None:
    fault = type("UsageError", (Exception,), {"__module__": "wandb.errors.errors"})
    said = r"--report-to wandb: no key; mend that, set WANDB_MODE=offline, or leave"
    work: Any = SimpleNamespace(settings=settings(tmp_path, tiny, report_to=("wandb",)))
    with pytest.raises(RunStoppedError, match=said), explained(work, None):
        raise fault("no key")
    work = SimpleNamespace(settings=settings(tmp_path, tiny))
    with pytest.raises(fault, match="no key"), explained(work, None):
        raise fault("no key")


def test_flash_attention_that_is_not_installed_is_said_where_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("importlib.metadata.distribution", _not_installed)
    with pytest.raises(
        MissingExtraError, match="flash-attn is not installed: pip install flash-attn or pip install kern"
    ):
        check_attention("flash_attention_2", cpu=False)


def _not_installed(name: str) -> Any:
    raise PackageNotFoundError(name)


def test_a_base_model_without_a_chat_template_gets_one(tmp_path: Path, tiny: Path) -> None:
    from tests.support.tiny_model import CHAT, make_tiny_model

    base = make_tiny_model(tmp_path / "base", template=None)
    with pytest.raises(ConfigError, match="has no chat template"):
        train(settings(tmp_path, base))
    (tmp_path / "chat.jinja").write_text(CHAT)
    made = train(settings(tmp_path, base, chat_template=str(tmp_path / "chat.jinja"), max_steps=1))
    assert (made.out / "chat_template.jinja").read_text() == CHAT


def test_it_stops_when_held_out_accuracy_no_longer_rises(tmp_path: Path, tiny: Path) -> None:
    made = train(settings(tmp_path, tiny, patience=2, epochs=50.0, eval_every=1, lr=3e-3))
    stage = last(made)
    assert stage["steps"] < 100
    assert stage["stopped"] == "no better held-out accuracy in 2 evaluations"
    assert stage["after"]["rewards/accuracies"] == 1.0
