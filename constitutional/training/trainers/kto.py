"""``--loss kto``: from single answers, each one to give or not to give; for data that has no pairs.

TRL estimates how far the policy is from the reference on answers of other prompts, which are the neighbours of a row in its
batch. So the rows are put in an order of their own once, and stay in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from datasets import Dataset
from trl import KTOConfig, KTOTrainer
from trl.trainer.kto_trainer import DataCollatorForUnpairedPreference

from constitutional.core.digest import random_for
from constitutional.training.data import limited_held_out
from constitutional.training.stages import Outcome, Work
from constitutional.training.tokens import Speech, TokenRows, labelled_rows
from constitutional.training.trainers.bench import Bench
from constitutional.training.trainers.fit import fit
from constitutional.training.trainers.pairs import sampler_of
from constitutional.training.trainers.policy import drop_reference, load_frozen
from constitutional.training.trainers.silent import Silent

NEIGHBOUR = "KL_completion_ids"


@dataclass
class AnswerCollator(DataCollatorForUnpairedPreference):  # type: ignore[misc]
    """A batch as TRL makes it, but that nothing is learned from what users say inside an answer."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = super().torch_call(examples)
        mask = batch["completion_mask"]
        for at, one in enumerate(examples):
            begin = len(one["prompt_ids"])
            said = torch.tensor(one["completion_mask"], dtype=mask.dtype)
            mask[at, begin : begin + len(said)] = said
        return batch


class AnswerTrainer(Silent, KTOTrainer):  # type: ignore[misc]
    def _prepare_dataset(self, dataset: Dataset, tokenizer: Any, args: KTOConfig, name: str) -> Dataset:
        """Rows are tokenized; each gets the answer of the row before it in its batch."""
        answers, size = dataset["completion_ids"], args.per_device_train_batch_size
        others: list[list[int]] = []
        for begin in range(0, len(answers), size):
            batch = list(answers[begin : begin + size])
            others += batch[-1:] + batch[:-1]
        return dataset.add_column(NEIGHBOUR, others)

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        if "completion_mask" not in self._signature_columns:
            self._signature_columns.append("completion_mask")

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """``kl`` is measured on samples here; theirs is a term of the loss."""
        measured = self._metrics["train" if self.model.training else "eval"]
        if "kl" in measured:
            measured["kl/term"] = measured.pop("kl")
        super().log(logs, start_time)


def run(work: Work) -> Outcome:
    settings, bench = work.settings, Bench.of(work)
    part = limited_held_out(work.data.labelled, settings.eval_rows, settings.seed)
    rows = labelled_rows(part, Speech(bench.tokenizer), settings.max_length or 0)
    for some in (rows.train, rows.held_out):
        random_for(settings.seed, "", "kto").shuffle(some)
    trainer = make_trainer(bench, rows)
    outcome = fit(trainer, work, rows, bench.checkpoint, sampler_of(trainer, bench, rows))
    good = sum(row["label"] for row in rows.train)
    weights = trainer.args.desirable_weight, trainer.args.undesirable_weight
    note = f"{good:,} answers to give, {len(rows.train) - good:,} not to give; weights {weights[0]:.3g} and {weights[1]:.3g}"
    return replace(outcome, notes=[*outcome.notes, note])


def make_trainer(bench: Bench, rows: TokenRows) -> AnswerTrainer:
    settings, live = bench.work.settings, bench.work.settings.reference == "live"
    model = bench.policy()
    reference = load_frozen(bench.start, settings, bench.device) if live and not bench.adapter else None
    if reference is not None:
        reference.requires_grad_(False).eval()
    trainer = AnswerTrainer(
        model=model,
        ref_model=reference,
        args=_config(bench, rows, live=live),
        data_collator=AnswerCollator(pad_token_id=bench.tokenizer.pad_token_id),
        **bench.data(rows),
    )
    if bench.adapter and not live:
        drop_reference(trainer.model)
    return trainer


def _config(bench: Bench, rows: TokenRows, *, live: bool) -> KTOConfig:
    settings = bench.work.settings
    give, refuse = balance(rows)
    return KTOConfig(
        **bench.arguments(bench.schedule(rows, settings.epochs), settings.lr, best="eval_loss"),
        beta=settings.beta,
        precompute_ref_log_probs=not live,
        desirable_weight=give,
        undesirable_weight=refuse,
        train_sampling_strategy="sequential",
    )


def balance(rows: TokenRows) -> tuple[float, float]:
    """Weights of answers to give and not to give, so that both kinds weigh the same in all."""
    good = max(1, sum(row["label"] for row in rows.train))
    bad = max(1, len(rows.train) - good)
    return max(1.0, bad / good), max(1.0, good / bad)
