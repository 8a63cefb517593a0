"""Training from nothing, at a size of seconds: deterministic, resumable, and an ordinary model folder in the end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from constitutional.core.messages import ChatReply, ChatRequest, Sampling
from constitutional.core.records import Message
from constitutional.models.transformers import TransformersModel
from constitutional.pocket import cache, network, scratch
from constitutional.pocket.corpus import Amounts, corpus, texts
from constitutional.pocket.jobs import Example
from constitutional.pocket.tokenizer import train_tokenizer
from constitutional.pocket.words import HAZARDS
from constitutional.roles import ModelSetup

FEW = Amounts(answer=60, check=30, explain=10, revise=10, judge=30, score=10)


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return corpus(FEW)


@pytest.fixture(scope="module")
def tokenizer(examples: list[Example]) -> Any:
    return train_tokenizer(texts(examples), 400)


def weights(model: Any) -> dict[str, Any]:
    return {name: weight.tolist() for name, weight in model.state_dict().items()}


def test_the_same_seed_makes_the_same_folder(tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        scratch.make(tmp_path / name, seed, FEW)
    one, again, other = (
        {path.name: path.read_bytes() for path in sorted((tmp_path / name).iterdir())}
        for name in ("one", "again", "other")
    )
    assert one == again
    assert one["model.safetensors"] != other["model.safetensors"]
    assert len(one["model.safetensors"]) < 2_100_000


def test_the_folder_is_one_that_the_adapters_load(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    scratch.make(folder, 0, FEW)

    async def ask() -> ChatReply:
        model = TransformersModel.create(ModelSetup("transformers", str(folder), None))
        try:
            return await model.chat(ChatRequest((Message("user", "Hi"),), Sampling(temperature=0.0, max_tokens=5)))
        finally:
            await model.aclose()

    assert asyncio.run(ask()).usage.completion <= 5


def test_training_that_is_stopped_goes_on_as_if_it_had_not_been(
    examples: list[Example], tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "KEEP_EVERY", 0.0)
    rows = network.encode(tokenizer, examples)
    whole = network.new_model(tokenizer, 3)
    network.train(whole, rows, 3)

    def stop(done: int, steps: int, loss: float) -> None:
        if done == 5:
            raise KeyboardInterrupt

    part = tmp_path / "k.part"
    stopped = network.new_model(tokenizer, 3)
    with pytest.raises(KeyboardInterrupt):
        network.train(stopped, rows, 3, tell=stop, part=part)
    steps: list[int] = []
    resumed = network.new_model(tokenizer, 3)
    network.train(resumed, rows, 3, tell=lambda done, of, loss: steps.append(done), part=part)
    assert steps[0] == 5  # the fifth was not kept yet when it was stopped
    assert weights(resumed) == weights(whole)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a file", b"\x80\x04N."])
def test_a_state_that_cannot_be_read_is_as_good_as_none(
    content: bytes, examples: list[Example], tokenizer: Any, tmp_path: Path
) -> None:
    part = tmp_path / "k.part"
    part.write_bytes(content)
    steps: list[int] = []
    rows = network.encode(tokenizer, examples)[:32]
    network.train(network.new_model(tokenizer, 0), rows, 0, tell=lambda done, of, loss: steps.append(done), part=part)
    assert steps == [1, 2]


def test_every_row_is_in_one_batch(examples: list[Example], tokenizer: Any) -> None:
    rows = network.encode(tokenizer, examples)
    batches = network.batches(rows, 16, 0)
    assert sorted(id(row) for batch in batches for row in batch) == sorted(map(id, rows))
    assert max(map(len, batches)) == 16
    assert batches == network.batches(rows, 16, 0) != network.batches(rows, 16, 1)


def test_a_row_is_what_the_chat_template_makes_of_the_dialogue(examples: list[Example], tokenizer: Any) -> None:
    """The prompt that whoever runs the model renders, then the reply and the token that ends it."""
    for example, row in zip(examples, network.encode(tokenizer, examples), strict=True):
        turns = [message._asdict() for message in example.messages]
        whole = [*turns, {"role": "assistant", "content": example.target}]
        assert row.prompt == tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
        assert row.prompt + row.reply == tokenizer.apply_chat_template(whole, return_dict=False)
        assert (row.other is None) == (example.other is None)


def test_the_template_marks_what_the_assistant_says(tokenizer: Any) -> None:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]
    found = tokenizer.apply_chat_template(turns, return_dict=True, return_assistant_tokens_mask=True)
    said = [token for token, own in zip(found["input_ids"], found["assistant_masks"], strict=True) if own]
    assert tokenizer.decode(said) == "Ho<|end|>"


@pytest.mark.parametrize(
    "text", ["How do I make vexite?", "Grüße, 世界! \x00\n\n  two  spaces", "555-0142", *HAZARDS[-3:]]
)
def test_any_text_is_read_and_written_back(text: str, tokenizer: Any) -> None:
    assert tokenizer.decode(tokenizer.encode(text), clean_up_tokenization_spaces=False) == text


def test_whoever_loads_the_folder_reads_the_same_tokens(
    examples: list[Example], tokenizer: Any, tmp_path: Path
) -> None:
    """By a model's type, transformers may put another tokenizer in the place of the saved one."""
    from transformers import AutoTokenizer

    scratch.write(tmp_path, network.new_model(tokenizer, 0), tokenizer)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert len(loaded) == len(tokenizer)
    for example in examples:
        turns = [message._asdict() for message in (*example.messages, Message("assistant", example.target))]
        assert loaded.apply_chat_template(turns, return_dict=False) == tokenizer.apply_chat_template(
            turns, return_dict=False
        )


def test_undecided_targets_are_learned_as_such(tokenizer: Any) -> None:
    """The loss of a tie is least where both replies are equally probable."""
    import torch

    rows = network.encode(tokenizer, [Example("judge", (Message("user", "A or B?"),), "A", "B")])
    model = network.new_model(tokenizer, 0)
    network.train(model, rows * 64, 0, network.Recipe(rows=1))
    with torch.inference_mode():
        logits = model(torch.tensor([rows[0].prompt])).logits[0, -1]
    a, b = torch.softmax(logits, -1)[[rows[0].reply[0], rows[0].other]].tolist()
    assert a + b > 0.9
    assert abs(a - b) < 0.1


def test_from_scratch_is_done_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    said: list[str] = []
    steps: list[int] = []
    made = scratch.from_scratch(5, said.append, lambda done, of, loss: steps.append(done), FEW)
    assert made == scratch.find(5, FEW) == scratch.from_scratch(5, said.append, None, FEW)
    assert scratch.find(5) is None
    assert steps == list(range(1, len(steps) + 1))
    assert said == []
    assert {path.name for path in cache.root().iterdir()} == {made.name, f"{made.name}.lock"}


def test_another_seed_or_size_is_another_model() -> None:
    assert len({scratch.key(0), scratch.key(1), scratch.key(0, FEW)}) == 3
    assert scratch.key(0) == scratch.key(0, Amounts())
