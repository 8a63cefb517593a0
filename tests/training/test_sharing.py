"""A prompt computed once says what a prompt computed twice says, or is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from constitutional.errors import UsageError
from constitutional.training.run import train
from constitutional.training.settings import TrainSettings
from constitutional.training.trainers.preference import PairCollator
from constitutional.training.trainers.sharing import CHOSEN, PADDING, PROMPT, REJECTED, Row, forward, mask_of, sums
from tests.training.planted import write_dataset

IDS = st.lists(st.integers(3, 200), min_size=1, max_size=12)
EXAMPLE = st.builds(
    lambda prompt, chosen, rejected, p: {
        "prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected, "p": p, "weight": 1.0,
        "chosen_mask": [1] * len(chosen), "rejected_mask": [at % 3 != 1 for at in range(len(rejected))],
    },
    IDS, IDS, IDS, st.floats(0.5, 1),
)  # fmt: skip


def test_a_row_holds_the_prompt_once_and_each_answer_where_it_would_stand_alone() -> None:
    row = Row.of(
        {
            "prompt_ids": [5, 6, 7],
            "chosen_ids": [8, 9],
            "rejected_ids": [10],
            "chosen_mask": [1, 1],
            "rejected_mask": [1],
        }
    )
    assert row.ids == [5, 6, 7, 8, 9, 7, 10]
    assert row.positions == [0, 1, 2, 3, 4, 2, 3]
    assert row.segments == [PROMPT, PROMPT, CHOSEN, CHOSEN, CHOSEN, REJECTED, REJECTED]
    assert row.targets == [0, 0, 0, CHOSEN, CHOSEN, 0, REJECTED]


def test_nobody_sees_the_other_answer_or_what_comes_later() -> None:
    (mask,) = mask_of(torch.tensor([[PROMPT, CHOSEN, CHOSEN, REJECTED, PADDING]]))[0]
    assert mask.int().tolist() == [
        [1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 0, 0, 1, 0], [1, 0, 0, 0, 1],
    ]  # fmt: skip


@pytest.fixture(scope="module")
def model(tiny: Path) -> Any:
    from transformers import AutoModelForCausalLM
    from trl.trainer.utils import add_fused_lm_head

    loaded = AutoModelForCausalLM.from_pretrained(tiny).eval()
    add_fused_lm_head(loaded)
    return loaded


def loss_of(model: Any, examples: list[dict[str, Any]], share: bool) -> Any:
    """Both sides' log-probabilities, as the trainer reads them off a batch."""
    inputs = PairCollator(pad_token_id=0, share=share)(examples)
    return torch.stack(sums(inputs, forward(model, inputs).log_probs))


@given(st.lists(EXAMPLE, min_size=1, max_size=4))
@settings(max_examples=15, deadline=None)
def test_the_numbers_are_those_of_two_rows(model: Any, examples: list[dict[str, Any]]) -> None:
    with torch.no_grad():
        plain, shared = (loss_of(model, examples, share) for share in (False, True))
    assert torch.allclose(plain, shared, rtol=1e-5, atol=1e-4)


def test_so_are_the_gradients(model: Any) -> None:
    examples = [
        {"prompt_ids": [9, 8, 7, 6], "chosen_ids": [5, 4, 2], "rejected_ids": [11, 12], "p": 1.0, "weight": 1.0,
         "chosen_mask": [1, 1, 1], "rejected_mask": [1, 1]}
    ]  # fmt: skip
    found = []
    for share in (False, True):
        model.zero_grad()
        chosen, rejected = loss_of(model, examples, share)
        torch.nn.functional.logsigmoid(0.1 * (chosen - rejected)).mean().neg().backward()
        found.append({name: weight.grad.clone() for name, weight in model.named_parameters()})
    model.zero_grad()
    scale = max(float(gradient.abs().max()) for gradient in found[0].values())
    assert max(float((found[0][name] - found[1][name]).abs().max()) for name in found[0]) < 1e-5 * scale


def trained(tmp_path: Path, tiny: Path, name: str, **changes: Any) -> list[float]:
    if not (tmp_path / "data").exists():
        write_dataset(tmp_path / "data", 50)
    given_: dict[str, Any] = {
        "source": str(tmp_path / "data"), "model": str(tiny), "out": str(tmp_path / name), "lr": 1e-3, "cpu": True,
        "micro_batch": 16, "batch": 16, "max_steps": 4, "samples": 0,
    }  # fmt: skip
    made = train(TrainSettings(**(given_ | changes)))
    lines = [json.loads(line) for line in (made.out / "log.jsonl").read_text().splitlines()]
    return [line[key] for line in lines for key in ("loss", "eval_loss", "logps/rejected") if key in line]


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, {"lora": 4, "lr": 5e-3}, {"reference": "live"}, {"gradient_checkpointing": True}])
def test_a_training_is_the_same_training(tmp_path: Path, tiny: Path, more: dict[str, Any]) -> None:
    plain = trained(tmp_path, tiny, "plain", **more)
    shared = trained(tmp_path, tiny, "shared", share_prompts=True, **more)
    assert len(plain) >= 10
    assert shared == pytest.approx(plain, rel=1e-4)


def test_a_model_that_looks_through_a_window_is_refused(tmp_path: Path, tiny: Path) -> None:
    """Its numbers would be others."""
    import shutil

    shutil.copytree(tiny, tmp_path / "window")
    config = json.loads((tmp_path / "window" / "config.json").read_text())
    config |= {"use_sliding_window": True, "sliding_window": 4, "layer_types": ["sliding_attention"] * 2}
    (tmp_path / "window" / "config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match="--share-prompts: this model does not say the same of a pair"):
        trained(tmp_path, tmp_path / "window", "out", share_prompts=True)
