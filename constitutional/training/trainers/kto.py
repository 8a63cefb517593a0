"""``--loss kto``: from single answers, each one to give or not to give; for data that has no pairs.

TRL estimates how far the policy is from the reference on answers of other prompts, which are the neighbours of a row in its
batch. So the rows are put in an order of their own once, and stay in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from datasets import Dataset
from trl import KTOConfig, KTOTrainer
from trl.trainer.kto_trainer import DataCollatorForUnpairedPreference

from constitutional.core.digest import random_for
from constitutional.training.data import limited_held_out
from constitutional.training.schedule import Schedule
from constitutional.training.settings import TrainSettings
from constitutional.training.stages import Outcome, Work
from constitutional.training.tokens import Speech, TokenRows, labelled_rows
from constitutional.training.trainers.arguments import arguments
from constitutional.training.trainers.fit import fit
from constitutional.training.trainers.pairs import sampler_of
from constitutional.training.trainers.policy import (
    Device,
    Start,
    check_vocabulary,
    load_frozen,
    load_model,
    load_tokenizer,
)
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
    settings = work.settings
    start = Start.of(work.start, settings.revision)
    tokenizer = load_tokenizer(start, settings)
    part = limited_held_out(work.data.labelled, settings.eval_rows, settings.seed)
    rows = labelled_rows(part, Speech(tokenizer), settings.max_length or 0)
    for some in (rows.train, rows.held_out):
        random_for(settings.seed, "", "kto").shuffle(some)
    checkpoint = work.folder.newest_checkpoint()
    trainer = make_trainer(work, start, tokenizer, rows, checkpoint)
    outcome = fit(trainer, work, rows, checkpoint, sampler_of(trainer, work, start, rows))
    good = sum(row["label"] for row in rows.train)
    weights = trainer.args.desirable_weight, trainer.args.undesirable_weight
    note = f"{good:,} answers to give, {len(rows.train) - good:,} not to give; weights {weights[0]:.3g} and {weights[1]:.3g}"
    return replace(outcome, notes=[*outcome.notes, note])


def make_trainer(work: Work, start: Start, tokenizer: Any, rows: TokenRows, checkpoint: Path | None) -> AnswerTrainer:
    settings = work.settings
    adapter, live = settings.lora is not None or start.adapter is not None, settings.reference == "live"
    device = Device.of(settings, adapter=adapter)
    model = load_model(start, settings, device)
    check_vocabulary(model, tokenizer, start.name)
    reference = load_frozen(start, settings, device) if live and not adapter else None
    if reference is not None:
        reference.requires_grad_(False).eval()
    trainer = AnswerTrainer(
        model=model,
        ref_model=reference,
        args=_config(work, settings, device, rows, checkpoint, live),
        data_collator=AnswerCollator(pad_token_id=tokenizer.pad_token_id),
        train_dataset=Dataset.from_list(rows.train),
        eval_dataset=Dataset.from_list(rows.held_out),
        processing_class=tokenizer,
    )
    if adapter and not live and "ref" in trainer.model.peft_config:
        trainer.model.delete_adapter("ref")  # a checkpoint with two adapters cannot be resumed from
    return trainer


def _config(
    work: Work, settings: TrainSettings, device: Device, rows: TokenRows, checkpoint: Path | None, live: bool
) -> KTOConfig:
    processes = PartialState(cpu=not device.cuda).num_processes
    schedule = Schedule.of(settings, len(rows.train), len(rows.held_out), settings.epochs, processes)
    common = arguments(
        settings,
        schedule,
        device,
        work.folder.checkpoints,
        lr=settings.lr or 0.0,
        best="eval_loss",
        resumed=checkpoint is not None,
    )
    give, refuse = balance(rows)
    return KTOConfig(
        **common,
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
