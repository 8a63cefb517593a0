"""The stage ``sft``: imitation of revised answers, with the loss on the answers alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from accelerate import PartialState
from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from constitutional.training.data import limited_held_out
from constitutional.training.schedule import Schedule
from constitutional.training.stages import Outcome, Work
from constitutional.training.tokens import Speech, TokenRows, answer_rows
from constitutional.training.trainers.arguments import arguments
from constitutional.training.trainers.fit import fit
from constitutional.training.trainers.guarding import Careful
from constitutional.training.trainers.policy import Device, Start, check_vocabulary, load_model, load_tokenizer


class ImitationTrainer(Careful, SFTTrainer):  # type: ignore[misc]
    def create_model_card(self, *_: Any, **__: Any) -> None:
        """The card is ours, and written once at the end."""

    def _send_telemetry(self) -> None:
        """Nobody is told."""


def run(work: Work) -> Outcome:
    settings = work.settings
    start = Start.of(work.start, settings.revision)
    tokenizer = load_tokenizer(start, settings)
    part = limited_held_out(work.data.answers, settings.eval_rows, settings.seed)
    rows = answer_rows(part, Speech(tokenizer), settings.max_length or 0)
    checkpoint = work.folder.newest_checkpoint()
    trainer = make_trainer(work, start, tokenizer, rows, checkpoint)
    return fit(trainer, work, rows, checkpoint)


def make_trainer(
    work: Work, start: Start, tokenizer: Any, rows: TokenRows, checkpoint: Path | None
) -> ImitationTrainer:
    settings = work.settings
    device = Device.of(settings, adapter=settings.lora is not None or start.adapter is not None)
    model = load_model(start, settings, device)
    check_vocabulary(model, tokenizer, start.name)
    processes = PartialState(cpu=not device.cuda).num_processes
    schedule = Schedule.of(settings, len(rows.train), len(rows.held_out), settings.sft_epochs, processes)
    common = arguments(
        settings,
        schedule,
        device,
        work.folder.checkpoints,
        lr=settings.sft_lr or 0.0,
        best="eval_loss",
        resumed=checkpoint is not None,
    )
    return ImitationTrainer(
        model=model,
        args=SFTConfig(**common, packing=False, shuffle_dataset=False),
        train_dataset=Dataset.from_list(rows.train),
        eval_dataset=Dataset.from_list(rows.held_out),
        processing_class=tokenizer,
    )
