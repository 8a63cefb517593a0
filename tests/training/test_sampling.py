"""What samples are measured by, against the definitions."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from constitutional.core.stats.text import repeated_tokens
from tests.support.tiny_model import make_tiny_model

TOKENS = st.lists(st.integers(0, 3), max_size=30)


@given(TOKENS)
def test_repetition_is_a_share_and_grows_when_a_text_is_said_twice(tokens: list[int]) -> None:
    share = repeated_tokens(tokens)
    assert 0 <= share < 1
    assert repeated_tokens(tokens + tokens) >= share or len(tokens) < 4


def test_repetition_of_known_texts() -> None:
    assert repeated_tokens([1, 2, 3]) == 0
    assert repeated_tokens(list(range(20))) == 0
    assert repeated_tokens([7] * 23) == pytest.approx(0.95)
    assert repeated_tokens([1, 2, 3, 4, 1, 2, 3, 4]) == pytest.approx(0.2)


def test_divergence_is_the_sum_over_tokens_of_the_whole_distributions(tmp_path: Path, tiny: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from constitutional.training.trainers.sampling import Sampler

    one = AutoModelForCausalLM.from_pretrained(tiny).eval()
    other = AutoModelForCausalLM.from_pretrained(make_tiny_model(tmp_path / "other", seed=1)).eval()
    prompts, answers = [[5, 6, 7], [8, 9]], [[10, 11], [12, 13, 14]]

    @contextmanager
    def reference() -> Any:
        yield lambda ids: other(input_ids=ids).logits

    accelerator = SimpleNamespace(device=torch.device("cpu"))
    trainer = SimpleNamespace(accelerator=accelerator, processing_class=AutoTokenizer.from_pretrained(tiny))
    sampler = Sampler(trainer, prompts, 4, 0, reference)
    with torch.no_grad(), reference() as logits:
        found = sampler._divergence(one, logits, answers)
        expected = 0.0
        for prompt, answer in zip(prompts, answers, strict=True):
            for at in range(len(answer)):
                ids = torch.tensor([prompt + answer[:at]])
                p, q = (model(input_ids=ids).logits[0, -1].double().softmax(-1) for model in (one, other))
                expected += float((p * (p / q).log()).sum()) / len(answers)
        assert found == pytest.approx(expected, rel=1e-5)
        assert sampler._divergence(other, logits, answers) == 0


def test_answers_end_where_they_end(tiny: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from constitutional.training.trainers.sampling import Sampler, prompts_of

    tokenizer = AutoTokenizer.from_pretrained(tiny)
    model = AutoModelForCausalLM.from_pretrained(tiny).eval()
    trainer = SimpleNamespace(accelerator=SimpleNamespace(device=torch.device("cpu")), processing_class=tokenizer)
    rows = [{"prompt_ids": [5 + n % 3, 6]} for n in range(9)]
    prompts = prompts_of(rows, 8)
    assert prompts == [[5, 6], [6, 6], [7, 6]]
    with torch.no_grad():
        for seed in range(10):
            torch.manual_seed(seed)
            for answer in Sampler(trainer, prompts, 40, 0, None)._draw(model):
                assert 1 <= len(answer) <= 40
                assert tokenizer.eos_token_id not in answer[:-1]
