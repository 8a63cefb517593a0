"""What the policy says now, and how far that is from the reference: a few answers to held-out prompts.

They are drawn with the same random numbers at every look, and those of the training are left alone: a training with
samples is to the last bit the one without."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig

from constitutional.core.stats.text import repeated_tokens
from constitutional.training.tokens import TokenRows
from constitutional.training.trainers.bench import Bench
from constitutional.training.trainers.policy import Start, load_reference

Logits = Callable[[Tensor], Tensor]
Reference = Callable[[], AbstractContextManager[Logits]]


@dataclass(frozen=True, slots=True)
class Sampler:
    trainer: Any
    prompts: Sequence[Sequence[int]]
    """As tokens, up to where the assistant speaks."""
    most: int
    """Tokens of an answer."""
    seed: int
    reference: Reference | None

    def look(self) -> dict[str, float]:
        """`samples/tokens`, `samples/repeated` and `kl`, each a mean over the answers."""
        model = self.trainer.accelerator.unwrap_model(self.trainer.model)
        learning = model.training
        model.eval()
        try:
            with torch.no_grad(), _apart(self.seed), self.trainer.accelerator.autocast():
                answers = self._draw(model)
                figures = {
                    "samples/tokens": fmean(len(answer) for answer in answers),
                    "samples/repeated": fmean(repeated_tokens(answer) for answer in answers),
                }
                if self.reference is not None:
                    with self.reference() as logits:
                        figures["kl"] = self._divergence(model, logits, answers)
        finally:
            model.train(learning)
        return figures

    def _draw(self, model: Any) -> list[list[int]]:
        tokenizer, device = self.trainer.processing_class, self.trainer.accelerator.device
        longest = max(len(prompt) for prompt in self.prompts)
        pad = tokenizer.pad_token_id
        ids = [[pad] * (longest - len(prompt)) + list(prompt) for prompt in self.prompts]
        mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in self.prompts]
        ends = _ends(model, tokenizer)
        plain = GenerationConfig(
            do_sample=True, temperature=1.0, top_k=0, top_p=1.0, repetition_penalty=1.0, num_beams=1,
            max_new_tokens=self.most, pad_token_id=pad, eos_token_id=ends or None, remove_invalid_values=True,
        )  # fmt: skip
        drawn = model.generate(
            input_ids=torch.tensor(ids, device=device),
            attention_mask=torch.tensor(mask, device=device),
            generation_config=plain,
        )
        return [_until(row, ends) for row in drawn[:, longest:].tolist()]

    def _divergence(self, model: Any, reference: Logits, answers: Sequence[Sequence[int]]) -> float:
        """KL(policy ‖ reference) of an answer, in nats. The whole distribution counts at every token, and not only the
        token that was drawn: it is never negative, and a few answers say enough."""
        total = 0.0
        for prompt, answer in zip(self.prompts, answers, strict=True):
            ids = torch.tensor([[*prompt, *answer]], device=self.trainer.accelerator.device)
            said = slice(len(prompt) - 1, -1)
            here = model(input_ids=ids, use_cache=False).logits[0, said].float().log_softmax(-1)
            there = reference(ids)[0, said].float().log_softmax(-1)
            total += float((here.exp() * (here - there)).sum())
        return total / len(answers)


def sampler_of(trainer: Any, bench: Bench, rows: TokenRows) -> Sampler | None:
    """None where no samples are wanted, or where nobody can draw them."""
    settings, start = bench.work.settings, bench.start
    if not settings.samples:
        return None
    if not can_sample(trainer):
        bench.work.say(
            "the weights are sharded: no samples are drawn, and the guards kl, length and repetition see nothing"
        )
        return None
    own = Start.of(settings.reference_model) if settings.reference_model else start
    under = bench.adapter and start.adapter is None and own is start
    reference = reference_of(trainer, lambda: load_reference(own, settings, bench.device), under=under)
    return Sampler(
        trainer, prompts_of(rows.held_out, settings.samples), settings.sample_tokens, settings.seed, reference
    )


def reference_of(trainer: Any, load: Callable[[], Any], *, under: bool) -> Reference:
    """The frozen model that the policy came from: the one in memory, the model ``under`` its adapter, or, where it is in
    neither place, from the disk for this one look."""

    @contextmanager
    def found() -> Iterator[Logits]:
        policy = trainer.accelerator.unwrap_model(trainer.model)

        def bare(ids: Tensor) -> Tensor:
            with policy.disable_adapter():
                return _logits(policy, ids)

        if trainer.ref_model is not None:
            yield lambda ids: _logits(trainer.ref_model, ids)
        elif under:
            yield bare
        else:
            model = load().to(trainer.accelerator.device).eval()
            try:
                yield lambda ids: _logits(model, ids)
            finally:
                del model
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()

    return found


def prompts_of(rows: Sequence[dict[str, Any]], most: int) -> list[list[int]]:
    """The first prompts of the held-out rows, each once."""
    found: dict[tuple[int, ...], None] = {}
    for row in rows:
        if len(found) == most:
            break
        found.setdefault(tuple(row["prompt_ids"]))
    return [list(prompt) for prompt in found]


def can_sample(trainer: Any) -> bool:
    """Whether one process has the whole model: where weights are sharded, none can speak alone."""
    kind = trainer.accelerator.distributed_type
    return str(kind.value) in ("NO", "MULTI_GPU", "MULTI_CPU")


def _logits(model: Any, ids: Tensor) -> Tensor:
    found: Tensor = model(input_ids=ids, use_cache=False).logits
    return found


def _ends(model: Any, tokenizer: Any) -> list[int]:
    given = model.generation_config.eos_token_id
    listed = given if isinstance(given, list) else [given]
    return sorted({token for token in (*listed, tokenizer.eos_token_id) if token is not None})


def _until(tokens: list[int], ends: Sequence[int]) -> list[int]:
    """Up to its end, which is part of it; at least one token."""
    for at, token in enumerate(tokens):
        if token in ends:
            return tokens[: at + 1]
    return tokens


@contextmanager
def _apart(seed: int) -> Iterator[None]:
    """Random numbers of its own."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
