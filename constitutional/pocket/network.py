"""The shape of a pocket model, and how it learns: one pass over a fresh corpus on a few CPU cores.

A Qwen2 of about a million parameters, so that transformers and vLLM load its folder as they load any other."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from constitutional.pocket.jobs import Example
from constitutional.pocket.tokenizer import CONTEXT, END

HIDDEN, LAYERS, HEADS, KEY_HEADS, INNER = 128, 4, 4, 4, 384
"""Heads of 32: the smallest that vLLM's attention on a CPU takes."""
WEIGHTS = {"answer": 1.0, "explain": 1.0, "revise": 1.0, "check": 4.0, "judge": 4.0, "score": 4.0}
"""How much a token of the reply counts: a verdict has one token to learn from, an answer fifteen."""
PROMPT_WEIGHT = 0.05
Progress = Callable[[int, int, float], None]
"""Called with steps done, steps in all, and the loss."""


@dataclass(frozen=True, slots=True)
class Recipe:
    tokens: int = 2048
    """Tokens of a batch, padding included."""
    rate: float = 3e-3
    """Learning rate of embeddings and norms (Adam)."""
    matrix_rate: float = 1e-2
    """Learning rate of the matrices (Muon: each step is made orthogonal, which this little data is enough for)."""
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


def batches(rows: Sequence[Row], tokens: int, seed: int) -> list[list[Row]]:
    """Every row once, those of one length together, the batches in no order."""
    random = Random(f"{seed}:batches")
    order = random.sample(rows, len(rows))
    made: list[list[Row]] = []
    for start in range(0, len(order), 4096):
        batch: list[Row] = []
        for row in sorted(order[start : start + 4096], key=len):
            if batch and len(row) * (len(batch) + 1) > tokens:
                made.append(batch)
                batch = []
            batch.append(row)
        made.append(batch)
    random.shuffle(made)
    return made


def train(
    model: Any, rows: Sequence[Row], seed: int, recipe: Recipe | None = None, tell: Progress | None = None
) -> None:
    """One pass. The same seed on the same machine gives the same weights."""
    import torch

    recipe = recipe or Recipe()
    plan = batches(rows, recipe.tokens, seed)
    optimizers = _optimizers(model, recipe)
    model.train()
    for step, batch in enumerate(plan):
        factor = _schedule(step, len(plan))
        for optimizer, rate in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * factor
        loss = _loss(model, batch)
        model.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, _ in optimizers:
            optimizer.step()
        if tell is not None:
            tell(step + 1, len(plan), loss.item())
    model.eval()


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


def _optimizers(model: Any, recipe: Recipe) -> list[tuple[Any, float]]:
    import torch

    matrices = [weight for name, weight in model.model.layers.named_parameters() if weight.dim() == 2]
    known = {id(weight) for weight in matrices}
    rest = [weight for weight in model.parameters() if id(weight) not in known]
    return [
        (_muon(matrices, recipe), recipe.matrix_rate),
        (torch.optim.AdamW(rest, lr=recipe.rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True), recipe.rate),
    ]


def _muon(matrices: list[Any], recipe: Recipe) -> Any:
    """torch's own Muon works in bfloat16, which a CPU without it runs at a hundredth of the speed."""
    import torch

    class Muon(torch.optim.Optimizer):  # type: ignore[misc]
        @torch.no_grad()
        def step(self) -> None:
            for group in self.param_groups:
                for shape, moved in self._momenta(group).items():
                    update = orthogonal(torch.stack([gradient for _, gradient in moved]))
                    scale = 0.2 * max(shape) ** 0.5 * group["lr"]
                    for (weight, _), step in zip(moved, update, strict=True):
                        weight.mul_(1 - group["lr"] * recipe.decay).add_(step, alpha=-scale)

        def _momenta(self, group: dict[str, Any]) -> dict[tuple[int, ...], list[tuple[Any, Any]]]:
            """Weights of one shape together, each with its Nesterov momentum."""
            found: dict[tuple[int, ...], list[tuple[Any, Any]]] = {}
            for weight in group["params"]:
                momentum = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
                momentum.lerp_(weight.grad, 0.05)
                found.setdefault(tuple(weight.shape), []).append((weight, weight.grad.lerp(momentum, 0.95)))
            return found

    return Muon(matrices, {"lr": recipe.matrix_rate})


def orthogonal(matrices: Any) -> Any:
    """The nearest orthogonal matrix of each, roughly: five steps of a Newton-Schulz iteration."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * (gram @ gram)) @ x
    return x.transpose(1, 2) if tall else x
