"""The shape of a pocket model, and how it learns: one pass over a fresh corpus on a few CPU cores.

A Qwen2 of about a million parameters, so that transformers and vLLM load its folder as they load any other."""

from __future__ import annotations

import io
import math
import pickle
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from constitutional.pocket.jobs import Example
from constitutional.pocket.tokenizer import CONTEXT, END

HIDDEN, LAYERS, HEADS, KEY_HEADS, INNER = 128, 4, 4, 4, 384
"""Heads of 32: the smallest that vLLM's attention on a CPU takes."""
WEIGHTS = {"answer": 1.0, "explain": 1.0, "revise": 1.0, "check": 4.0, "judge": 4.0, "score": 4.0}
"""How much a token of the reply counts: a verdict has one token to learn from, an answer fifteen."""
PROMPT_WEIGHT = 0.05
MOMENTUM = 0.95
_SORTED = 4096
"""Rows that are put in order of length together, so that little is padded."""
KEEP_EVERY = 10.0
"""Seconds between two states that are kept."""
Progress = Callable[[int, int, float], None]
"""Called with steps done, steps in all, and the loss."""


@dataclass(frozen=True, slots=True)
class Recipe:
    rows: int = 16
    """Examples of a batch: few, for with so little data many small steps teach more than some large ones."""
    rate: float = 3e-3
    rate_inside: float = 5e-3
    """Of the matrices between the words, which Muon moves."""
    decay: float = 0.01


def new_model(tokenizer: Any, seed: int) -> Any:
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KEY_HEADS,
        max_position_embeddings=CONTEXT,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        attention_dropout=0.0,
    )
    model = Qwen2ForCausalLM(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 2:
                inward = 0.5 if name.endswith(("o_proj.weight", "down_proj.weight")) else 1.0
                weight.normal_(0, 0.02 if "embed" in name else inward / math.sqrt(weight.shape[1]))
    return model


@dataclass(frozen=True, slots=True)
class Row:
    """An example as tokens. ``other`` is the first token of the reply that is as right as the one given."""

    prompt: list[int]
    reply: list[int]
    weight: float
    other: int | None

    def __len__(self) -> int:
        return len(self.prompt) + len(self.reply)


def encode(tokenizer: Any, examples: Sequence[Example]) -> list[Row]:
    """Through the tokenizer's own chat template, as whoever runs the model does."""
    dialogues = [[message._asdict() for message in example.messages] for example in examples]
    asked = tokenizer.apply_chat_template(dialogues, add_generation_prompt=True, tokenize=False)
    prompts = tokenizer(asked, add_special_tokens=False)["input_ids"]
    replies = tokenizer([example.target + END for example in examples], add_special_tokens=False)["input_ids"]
    return [
        Row(prompt, reply, WEIGHTS[example.job], None if example.other is None else tokenizer.encode(example.other)[0])
        for example, prompt, reply in zip(examples, prompts, replies, strict=True)
    ]


def batches(rows: Sequence[Row], size: int, seed: int) -> list[list[Row]]:
    """Every row once, those of about one length together, the batches in no order."""
    random = Random(f"{seed}:batches")
    order = random.sample(rows, len(rows))
    made: list[list[Row]] = []
    for start in range(0, len(order), _SORTED):
        near = sorted(order[start : start + _SORTED], key=len)
        made += [near[at : at + size] for at in range(0, len(near), size)]
    random.shuffle(made)
    return made


def train(
    model: Any,
    rows: Sequence[Row],
    seed: int,
    recipe: Recipe | None = None,
    tell: Progress | None = None,
    part: Path | None = None,
) -> None:
    """One pass. The same seed on the same machine gives the same weights, also where training was stopped and begun
    again: ``part`` is the file that keeps what was learned so far."""
    import torch

    recipe = recipe or Recipe()
    plan = batches(rows, recipe.rows, seed)
    optimizers = _optimizers(model, recipe)
    rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
    begun = _resumed(model, optimizers, part)
    kept = time.monotonic()
    model.train()
    for step, batch in enumerate(plan[begun:], begun):
        share = _schedule(step, len(plan))
        for optimizer, full in zip(optimizers, rates, strict=True):
            for group, rate in zip(optimizer.param_groups, full, strict=True):
                group["lr"] = rate * share
        loss = _loss(model, batch)
        model.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        if tell is not None:
            tell(step + 1, len(plan), loss.item())
        if part is not None and time.monotonic() - kept >= KEEP_EVERY:
            _keep(model, optimizers, step + 1, part)
            kept = time.monotonic()
    model.eval()


def _keep(model: Any, optimizers: list[Any], steps: int, part: Path) -> None:
    import torch

    made = io.BytesIO()
    states = [optimizer.state_dict() for optimizer in optimizers]
    torch.save({"model": model.state_dict(), "optimizers": states, "steps": steps}, made)
    draft = part.with_suffix(".draft")
    draft.write_bytes(made.getvalue())
    draft.replace(part)


def _resumed(model: Any, optimizers: list[Any], part: Path | None) -> int:
    """How many steps were done before. A file that cannot be read is as good as none."""
    import torch

    if part is None or not part.is_file():
        return 0
    try:
        kept = torch.load(part, weights_only=True)
        model.load_state_dict(kept["model"])
        for optimizer, state in zip(optimizers, kept["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        return int(kept["steps"])
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError):
        return 0


def _schedule(step: int, steps: int) -> float:
    """Up in a twentieth of the time, and down along a cosine."""
    warm = max(10, steps // 20)
    if step < warm:
        return (step + 1) / warm
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _loss(model: Any, batch: Sequence[Row]) -> Any:
    """Cross-entropy of what is said, and a little of what is asked. Padding is on the right, where no token that counts
    sees it; the head runs only where there is something to learn."""
    import torch

    length = max(len(row) for row in batch)
    ids = torch.zeros(len(batch), length, dtype=torch.long)
    weight = torch.zeros(len(batch), length)
    other = torch.full((len(batch), length), -1)
    for at, row in enumerate(batch):
        ids[at, : len(row)] = torch.tensor(row.prompt + row.reply)
        weight[at, : len(row.prompt)] = PROMPT_WEIGHT
        weight[at, len(row.prompt) : len(row)] = row.weight
        if row.other is not None:
            other[at, len(row.prompt)] = row.other
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    weight, target, other = weight[:, 1:], ids[:, 1:], other[:, 1:]
    counts = weight > 0
    weight, target, other = weight[counts], target[counts], other[counts]
    logp = torch.log_softmax(model.lm_head(hidden[counts]), -1)
    found = logp.gather(-1, target[:, None])[:, 0]
    second = logp.gather(-1, torch.where(other < 0, target, other)[:, None])[:, 0]
    return -(weight * (found + second) / 2).sum() / weight.sum()


def _optimizers(model: Any, recipe: Recipe) -> list[Any]:
    """Muon for the matrices inside, AdamW for words and norms. Muon learns the same from about half of the text."""
    import torch

    inner = [weight for name, weight in model.named_parameters() if weight.dim() == 2 and "embed" not in name]
    words = [weight for name, weight in model.named_parameters() if weight.dim() == 2 and "embed" in name]
    groups = [
        {"params": words, "weight_decay": recipe.decay},
        {"params": [weight for weight in model.parameters() if weight.dim() != 2], "weight_decay": 0.0},
    ]
    return [
        muon(inner, recipe.rate_inside, recipe.decay),
        torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.98), fused=True),
    ]


def muon(weights: list[Any], rate: float, decay: float) -> Any:
    """The Muon optimizer (Jordan, 2024) in single precision: PyTorch's own works in bfloat16, which is slow on many CPUs.
    Matrices of one shape are worked on together."""
    import torch

    class Muon(torch.optim.Optimizer):  # type: ignore[misc]
        def step(self, closure: Any = None) -> None:
            with torch.no_grad():
                for group in self.param_groups:
                    shapes: dict[Any, list[Any]] = {}
                    for weight in group["params"]:
                        shapes.setdefault(weight.shape, []).append(weight)
                    for same in shapes.values():
                        self._step(same, group["lr"], group["weight_decay"])

        def _step(self, same: list[Any], rate: float, decay: float) -> None:
            for weight in same:
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                state["momentum"].lerp_(weight.grad, 1 - MOMENTUM)
            moved = torch.stack([weight.grad.lerp(self.state[weight]["momentum"], MOMENTUM) for weight in same])
            moved = _orthogonal(moved)
            scale = 0.2 * max(same[0].shape) ** 0.5
            for weight, update in zip(same, moved, strict=True):
                weight.mul_(1 - rate * decay).add_(update, alpha=-rate * scale)

    return Muon(weights, {"lr": rate, "weight_decay": decay})


def _orthogonal(matrices: Any) -> Any:
    """Nearly: five steps of Newton and Schulz."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        square = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * (square @ square)) @ x
    return x.transpose(1, 2) if tall else x
