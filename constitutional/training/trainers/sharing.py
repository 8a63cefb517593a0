"""A pair's prompt, computed once: one row holds the prompt and both answers, and neither answer sees the other.

A row is ``prompt[:-1] | last + chosen | last + rejected``, where ``last`` is the prompt's last token: what it says of the
next token is needed once for each answer. Both answers stand at the positions that they would have alone, so every number
is the one of the plain path, up to rounding. It takes an attention that reads any mask (sdpa, eager) in every layer; a
model whose layers look through a window, or carry a state along, gives other numbers, and is told apart by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from constitutional.errors import UsageError

PROMPT, CHOSEN, REJECTED, PADDING = 0, 1, 2, 3
MODEL_INPUTS = ("input_ids", "attention_mask", "position_ids")
TOLERANCE = {False: 1e-3, True: 2e-2}
"""Of a log-probability, relative; by whether the arithmetic is bfloat16. A wrong mask is off by far more."""


@dataclass(frozen=True, slots=True)
class Row:
    ids: list[int]
    positions: list[int]
    segments: list[int]
    targets: list[int]
    """CHOSEN or REJECTED at the tokens whose probability counts, else 0."""

    @classmethod
    def of(cls, example: Mapping[str, Any]) -> Row:
        *prompt, last = example["prompt_ids"]
        start = len(prompt)
        ids, positions, segments, targets = list(prompt), list(range(start)), [PROMPT] * start, [0] * start
        for side, name in ((CHOSEN, "chosen"), (REJECTED, "rejected")):
            answer = example[f"{name}_ids"]
            ids += [last, *answer]
            positions += range(start, start + len(answer) + 1)
            segments += [side] * (len(answer) + 1)
            targets += [0, *(side * said for said in example[f"{name}_mask"])]
        return cls(ids, positions, segments, targets)


def batch_of(examples: Sequence[Mapping[str, Any]], pad: int) -> dict[str, Tensor]:
    """What the model gets, and `targets`."""
    rows = [Row.of(example) for example in examples]
    segments = _padded([row.segments for row in rows], PADDING)
    return {
        "input_ids": _padded([row.ids for row in rows], pad),
        "position_ids": _padded([row.positions for row in rows], 0),
        "attention_mask": mask_of(segments),
        "targets": _padded([row.targets for row in rows], 0),
    }


def mask_of(segments: Tensor) -> Tensor:
    """Who sees whom: what came before in the prompt or in its own answer. Padding sees too, so that no row is empty."""
    length = segments.shape[1]
    earlier = torch.ones(length, length, dtype=torch.bool).tril()
    here, there = segments[:, :, None], segments[:, None, :]
    return (earlier & ((there == PROMPT) | (there == here)))[:, None]


def forward(model: Any, inputs: Mapping[str, Tensor]) -> Any:
    """The fused head's output, for a batch of either shape: log-probabilities of the next token where an answer speaks."""
    said = inputs["targets"] if "targets" in inputs else inputs["completion_mask"]
    return model(
        **{name: inputs[name] for name in MODEL_INPUTS if name in inputs},
        labels=inputs["input_ids"].masked_fill(said == 0, -100),
        fused_lm_head=True,
        use_cache=False,
    )


def sums(inputs: Mapping[str, Tensor], per_token: Tensor) -> tuple[Tensor, Tensor]:
    """Over the tokens of each answer that count; ``per_token`` is of the next token, as models give it."""
    if "targets" in inputs:
        targets = inputs["targets"][:, 1:]
        return (per_token * (targets == CHOSEN)).sum(dim=1), (per_token * (targets == REJECTED)).sum(dim=1)
    chosen, rejected = (per_token * inputs["completion_mask"][:, 1:]).sum(dim=1).chunk(2)
    return chosen, rejected


def check(trainer: Any, plain: Mapping[str, Tensor], shared: Mapping[str, Tensor], *, half: bool) -> None:
    """That this very model says the same of the same pairs both ways."""
    learning = trainer.model.training
    trainer.model.eval()
    with torch.no_grad():
        expected, found = (torch.cat(trainer.log_probabilities(inputs)).float() for inputs in (plain, shared))
    trainer.model.train(learning)
    off = float(((found - expected).abs() / expected.abs().clamp(min=1.0)).max())
    if not off < TOLERANCE[half]:
        raise UsageError(
            f"--share-prompts: this model does not say the same of a pair whose prompt is computed once (off by {off:.1%}): "
            "it has layers that look through a window or carry a state along, or an --attention that takes no mask"
        )


def _padded(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    longest = max(len(row) for row in rows)
    return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows])
