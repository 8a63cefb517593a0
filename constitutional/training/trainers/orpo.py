"""``--loss orpo``: imitation of the chosen answer and an odds ratio against the rejected one, with no reference model.

TRL keeps it among its experimental trainers. Rows are tokenized already; what TRL would do to texts is passed over."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from accelerate import PartialState
from datasets import Dataset

from constitutional.training.schedule import Schedule
from constitutional.training.stages import Outcome, Work
from constitutional.training.tokens import TokenRows
from constitutional.training.trainers.arguments import BEST, arguments
from constitutional.training.trainers.fit import fit
from constitutional.training.trainers.pairs import sampler_of, tokens_of
from constitutional.training.trainers.policy import Device, Start, check_vocabulary, load_model, load_tokenizer
from constitutional.training.trainers.silent import Silent

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # the user is told by us

from trl.experimental.orpo import ORPOConfig, ORPOTrainer


class OddsRatioTrainer(Silent, ORPOTrainer):  # type: ignore[misc]
    ref_model = None
    """Samples are compared with the model as it was all the same."""

    def tokenize_row(self, feature: dict[str, Any], model: Any = None) -> dict[str, Any]:
        """It is done."""
        return feature


def run(work: Work) -> Outcome:
    start = Start.of(work.start, work.settings.revision)
    tokenizer = load_tokenizer(start, work.settings)
    rows = tokens_of(work, tokenizer)
    checkpoint = work.folder.newest_checkpoint()
    trainer = make_trainer(work, start, tokenizer, rows, checkpoint)
    return fit(trainer, work, rows, checkpoint, sampler_of(trainer, work, start, rows))


def make_trainer(
    work: Work, start: Start, tokenizer: Any, rows: TokenRows, checkpoint: Path | None
) -> OddsRatioTrainer:
    settings = work.settings
    device = Device.of(settings, adapter=settings.lora is not None or start.adapter is not None)
    model = load_model(start, settings, device)
    check_vocabulary(model, tokenizer, start.name)
    processes = PartialState(cpu=not device.cuda).num_processes
    schedule = Schedule.of(settings, len(rows.train), len(rows.held_out), settings.epochs, processes)
    common = arguments(
        settings,
        schedule,
        device,
        work.folder.checkpoints,
        lr=settings.lr or 0.0,
        best=BEST,
        resumed=checkpoint is not None,
    )
    common |= {"max_length": settings.max_length, "remove_unused_columns": False, "beta": settings.beta}
    return OddsRatioTrainer(
        model=model,
        args=ORPOConfig(**common),
        train_dataset=Dataset.from_list([_columns(row) for row in rows.train]),
        eval_dataset=Dataset.from_list([_columns(row) for row in rows.held_out]),
        processing_class=tokenizer,
    )


def _columns(row: dict[str, Any]) -> dict[str, list[int]]:
    """As this trainer names them; only what the assistant says has a label."""
    prompt = row["prompt_ids"]
    found = {"prompt_input_ids": prompt, "prompt_attention_mask": [1] * len(prompt)}
    for side in ("chosen", "rejected"):
        ids, mask = row[f"{side}_ids"], row[f"{side}_mask"]
        labels = [token if said else -100 for token, said in zip(ids, mask, strict=True)]
        found |= {
            f"{side}_input_ids": prompt + ids,
            f"{side}_attention_mask": [1] * (len(prompt) + len(ids)),
            f"{side}_labels": [-100] * len(prompt) + labels,
        }
    return found
