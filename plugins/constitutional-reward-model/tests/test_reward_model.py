"""On a made-up rewarder, and on a real checkpoint of random weights."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import constitutional_reward_model as plugin
import pytest
from constitutional_reward_model.batches import Batches, Row
from constitutional_reward_model.checkpoint import Checkpoint, fingerprint

from constitutional import Score
from constitutional.testing import PRINCIPLE, Subject, Workshop, prompt, response

ANSWERS = ("No.", "Boil it.", "Boil it for eight minutes, and let it cool.", "I do not know, sorry.")


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    """Its checkpoint is a folder that cannot be loaded: what is examined here asks for none."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    return Subject("scorer", "hf-reward", plugin, {"checkpoint": "model"}, base=tmp_path, ladder=ANSWERS[:3])


@pytest.fixture
def by_length(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Longer answers are rewarded; gives the sizes of the batches."""
    sizes: list[int] = []

    def rewards(self: Checkpoint, rows: Sequence[Row]) -> list[float]:
        sizes.append(len(rows))
        return [len(answer) / 10 - 2 for _, answer in rows]

    monkeypatch.setattr(Checkpoint, "rewards", rewards)
    return sizes


@pytest.mark.conformance("scorer")
@pytest.mark.usefixtures("by_length")
def test_it_conforms(conformance: Callable[[], None]) -> None:
    conformance()


def test_answers_that_wait_together_are_one_batch_and_asked_once(subject: Subject, by_length: list[int]) -> None:
    bench = Workshop(subject)
    scorer = bench.make()

    async def score() -> list[Score]:
        return list(
            await asyncio.gather(
                *(scorer.score(prompt(), response(text, f"r{n}"), PRINCIPLE) for n, text in enumerate(ANSWERS))
            )
        )

    first = asyncio.run(score())
    assert by_length == [4]
    assert [one.value for one in first] == pytest.approx([1 / (1 + math.exp(2 - len(t) / 10)) for t in ANSWERS])
    assert asyncio.run(score()) == first
    assert by_length == [4], "the ledger has them"


def test_no_batch_is_larger_than_allowed_and_a_failure_is_everybodys() -> None:
    sizes: list[int] = []

    def rewards(rows: Sequence[Row]) -> list[float]:
        sizes.append(len(rows))
        if any(answer == "!" for _, answer in rows):
            raise ValueError("no such thing")
        return [0.0] * len(rows)

    async def ask(texts: Sequence[str]) -> list[Any]:
        batches = Batches(rewards, 3)
        asked = (batches.reward(prompt().messages, text) for text in texts)
        return list(await asyncio.gather(*asked, return_exceptions=True))

    assert asyncio.run(ask("abcdefgh")) == [0.0] * 8
    assert max(sizes) == 3
    assert [type(found) for found in asyncio.run(ask("!a"))] == [ValueError] * 2


def test_a_folder_is_known_by_its_content(tmp_path: Path) -> None:
    for name, text in (("one", "x"), ("two", "x"), ("three", "y")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights").write_text(text)
    one, two, three = (fingerprint(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two != three


@pytest.mark.slow
def test_rewards_of_a_real_checkpoint_are_those_of_each_row_alone(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers

    pieces = {chr(97 + n): n for n in range(26)} | {"[PAD]": 26, "[UNK]": 27}
    tokenizer = Tokenizer(models.WordLevel(pieces, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]"
    ).save_pretrained(tmp_path)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=28, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        num_labels=1, pad_token_id=26, max_position_embeddings=64,
    )  # fmt: skip
    transformers.BertForSequenceClassification(config).save_pretrained(tmp_path)
    checkpoint = Checkpoint(str(tmp_path), None)
    rows = [(prompt().messages, text) for text in (*ANSWERS, "word " * 100)]
    together = checkpoint.rewards(rows)
    assert together == pytest.approx([checkpoint.rewards([row])[0] for row in rows], abs=1e-5)
    assert len({round(value, 6) for value in together}) > 2
