"""Reward models: what comes out is transformers' own logit, whatever else is in the batch."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from constitutional.core.records import Message, Messages
from constitutional.errors import ConfigError, MissingExtraError, ModelUnavailableError, RequestRefusedError
from constitutional.models.reward_model import RewardModel, RewardSetup, reward_model
from tests.support.tiny_model import make_tiny_model, make_tiny_reward

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("transformers")

ASK: Messages = (Message("user", "What is the capital of France?"),)
LONGER: Messages = (
    Message("system", "Be brief."),
    *ASK,
    Message("assistant", "Paris."),
    Message("user", "And is it kind?"),
)
ANSWERS = [
    "Paris.",
    "Paris is the capital of France. " * 20,
    "",
    "No 😀",
    "I cannot help with that, only with this.",
] * 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_reward(tmp_path_factory.mktemp("reward") / "tiny-reward")


@pytest.fixture(scope="module")
def model(folder: Path) -> Iterator[RewardModel]:
    made = RewardModel(RewardSetup(str(folder)))
    yield made
    made.close()


def rewards(model: RewardModel, messages: Messages, answers: list[str]) -> list[float]:
    async def run() -> list[float]:
        return list(await asyncio.gather(*(model.reward(messages, answer) for answer in answers)))

    return asyncio.run(run())


def directly(folder: Path, messages: Messages, answers: list[str]) -> list[float]:
    """One at a time, without padding."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    found = []
    for answer in answers:
        if tokenizer.chat_template is None:
            text = messages[0].content
            tokens = tokenizer(text, answer, return_tensors="pt")
        else:
            turns = [message._asdict() for message in (*messages, Message("assistant", answer))]
            tokens = tokenizer.apply_chat_template(turns, return_tensors="pt", return_dict=True)
        with torch.inference_mode():
            found.append(float(model(**tokens).logits[0, 0]))
    return found


@pytest.mark.parametrize("messages", [ASK, LONGER], ids=["one turn", "several turns"])
def test_a_reward_is_the_logit(model: RewardModel, folder: Path, messages: Messages) -> None:
    found = rewards(model, messages, ANSWERS)
    assert found == pytest.approx(directly(folder, messages, ANSWERS), abs=1e-4)
    assert len({round(reward, 3) for reward in found}) == 5


def test_a_checkpoint_without_a_padding_token(tmp_path: Path) -> None:
    folder = make_tiny_reward(tmp_path / "unpadded", pad=False)
    model = RewardModel(RewardSetup(str(folder), max_batch=7))
    try:
        assert rewards(model, ASK, ANSWERS) == pytest.approx(directly(folder, ASK, ANSWERS), abs=1e-4)
    finally:
        model.close()


def test_a_model_without_a_chat_template_gets_two_texts(tmp_path: Path) -> None:
    folder = make_tiny_reward(tmp_path / "plain", template=None)
    model = RewardModel(RewardSetup(str(folder)))
    try:
        assert rewards(model, ASK, ["Paris.", "No"]) == pytest.approx(directly(folder, ASK, ["Paris.", "No"]), abs=1e-4)
        assert len(rewards(model, LONGER, ["Paris."])) == 1
    finally:
        model.close()


def test_concurrent_questions_share_batches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    run = RewardModel._run

    def counting(self: RewardModel, rows: Any) -> None:
        sizes.append(len(rows))
        run(self, rows)

    monkeypatch.setattr(RewardModel, "_run", counting)
    model = RewardModel(RewardSetup(str(folder), max_batch=8))
    try:
        rewards(model, ASK, ["Paris."])
        rewards(model, ASK, ANSWERS)
    finally:
        model.close()
    assert sizes == [1, 8, 8, 4]


def test_an_answer_that_does_not_fit_costs_only_itself(model: RewardModel) -> None:
    with pytest.raises(RequestRefusedError, match=r"dialogue and answer have \d+ tokens of 1024") as caught:
        rewards(model, ASK, ["fox " * 2000])
    assert caught.value.reason == "context_too_long"
    assert len(rewards(model, ASK, ["Paris."])) == 1


def test_the_identity_is_the_folders_content(folder: Path, tmp_path: Path, model: RewardModel) -> None:
    moved = make_tiny_reward(tmp_path / "tiny-reward")
    other = make_tiny_reward(tmp_path / "other" / "tiny-reward", seed=1)
    assert RewardModel(RewardSetup(str(moved))).identity == model.identity
    assert RewardModel(RewardSetup(str(other))).identity != model.identity
    assert RewardModel(RewardSetup(str(folder), dtype="bfloat16")).identity != model.identity
    assert RewardModel(RewardSetup(str(folder), max_batch=2)).identity == model.identity
    assert str(folder) not in json.dumps(model.identity)


def test_it_is_loaded_once_whoever_asks(tmp_path: Path) -> None:
    folder = make_tiny_reward(tmp_path / "shared")
    first, second = reward_model(RewardSetup(str(folder))), reward_model(RewardSetup(str(folder)))
    assert first is second
    assert reward_model(RewardSetup(str(folder), max_batch=2)) is not first
    make_tiny_reward(folder, seed=5)
    assert reward_model(RewardSetup(str(folder))) is not first, "it was trained again since"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda folder: folder, ModelUnavailableError, "no such folder"),
        (make_tiny_model, ConfigError, "no reward model but a Qwen2ForCausalLM"),
        (lambda folder: make_tiny_reward(folder, labels=3), ConfigError, "it has 3 labels"),
        (lambda folder: make_tiny_reward(folder, labels=2), ConfigError, "it has 2 labels"),
    ],
)
def test_what_is_no_reward_model_is_said_before_anything_is_loaded(
    tmp_path: Path, make: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        RewardModel(RewardSetup(str(make(tmp_path / "model"))))


def test_a_checkpoint_without_a_head(tmp_path: Path) -> None:
    """Its description says sequence classification, but the weights would be made up."""
    folder = make_tiny_reward(tmp_path / "reward")
    headless = make_tiny_model(tmp_path / "headless")
    (headless / "config.json").write_bytes((folder / "config.json").read_bytes())
    model = RewardModel(RewardSetup(str(headless)))
    with pytest.raises(ModelUnavailableError, match=r"no reward model: its checkpoint has no score.weight"):
        rewards(model, ASK, ["Paris."])
    model.close()


def test_a_broken_folder(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"config.json cannot be read"):
        RewardModel(RewardSetup(str(tmp_path)))
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    model = RewardModel(RewardSetup(str(tmp_path)))
    with pytest.raises(ModelUnavailableError, match="no weights in it"):
        rewards(model, ASK, ["Paris."])
    model.close()
    for name in ("model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    model = RewardModel(RewardSetup(str(tmp_path)))
    with pytest.raises(ModelUnavailableError, match="transformers cannot load it"):
        rewards(model, ASK, ["Paris."])
    model.close()


def test_without_transformers_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    model = RewardModel(RewardSetup(str(folder)))
    with pytest.raises(MissingExtraError, match=r"pip install 'constitutional\[transformers\]'"):
        rewards(model, ASK, ["Paris."])
    model.close()
