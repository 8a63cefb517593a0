"""The stage ``dpo``: preference training on pairs, with the loss that the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from accelerate import PartialState
from datasets import Dataset
from trl import DPOConfig

from constitutional.core.digest import digest
from constitutional.training.data import limited_held_out
from constitutional.training.schedule import Schedule
from constitutional.training.settings import TrainSettings
from constitutional.training.stages import Outcome, Work
from constitutional.training.tokens import Speech, TokenRows, pair_tokens
from constitutional.training.trainers.arguments import BEST, arguments
from constitutional.training.trainers.fit import fit
from constitutional.training.trainers.losses import Loss
from constitutional.training.trainers.policy import (
    Device,
    Start,
    check_vocabulary,
    load_frozen,
    load_model,
    load_reference,
    load_tokenizer,
)
from constitutional.training.trainers.preference import PairCollator, PreferenceTrainer
from constitutional.training.trainers.reference import ReferenceCache
from constitutional.training.trainers.sampling import Sampler, can_sample, prompts_of, reference_of
from constitutional.training.trainers.sharing import check


def run(work: Work) -> Outcome:
    start = Start.of(work.start, work.settings.revision)
    tokenizer = load_tokenizer(start, work.settings)
    rows = tokens_of(work, tokenizer)
    checkpoint = work.folder.newest_checkpoint()
    trainer = make_trainer(work, start, tokenizer, rows, checkpoint)
    return fit(trainer, work, rows, checkpoint, sampler_of(trainer, work, start, rows))


def sampler_of(trainer: Any, work: Work, start: Start, rows: TokenRows) -> Sampler | None:
    """None where no samples are wanted, or where nobody can draw them."""
    settings = work.settings
    if not settings.samples:
        return None
    if not can_sample(trainer):
        work.say("the weights are sharded: no samples are drawn, and the guards kl, length and repetition see nothing")
        return None
    adapter = settings.lora is not None or start.adapter is not None
    device = Device.of(settings, adapter=adapter)
    own = Start.of(settings.reference_model) if settings.reference_model else start
    under = adapter and start.adapter is None and own is start
    reference = reference_of(trainer, lambda: load_reference(own, settings, device), under=under)
    return Sampler(
        trainer, prompts_of(rows.held_out, settings.samples), settings.sample_tokens, settings.seed, reference
    )


def tokens_of(work: Work, tokenizer: Any) -> TokenRows:
    settings = work.settings
    part = limited_held_out(work.data.preferences, settings.eval_rows, settings.seed)
    return pair_tokens(part, Speech(tokenizer), settings.max_length or 0, settings.labels or "hard")


def make_trainer(
    work: Work, start: Start, tokenizer: Any, rows: TokenRows, checkpoint: Path | None
) -> PreferenceTrainer:
    settings = work.settings
    adapter = settings.lora is not None or start.adapter is not None
    device = Device.of(settings, adapter=adapter)
    model = load_model(start, settings, device)
    check_vocabulary(model, tokenizer, start.name)
    live = settings.reference == "live"
    other = settings.reference_model
    own = Start.of(other) if other else start
    if other:
        reference = load_reference(own, settings, device)
    else:
        reference = load_frozen(start, settings, device) if live and not adapter else None
    schedule = Schedule.of(
        settings, len(rows.train), len(rows.held_out), settings.epochs, PartialState(cpu=not device.cuda).num_processes
    )
    config = DPOConfig(
        **arguments(
            settings,
            schedule,
            device,
            work.folder.checkpoints,
            lr=settings.lr or 0.0,
            best=BEST,
            resumed=checkpoint is not None,
        ),
        precompute_ref_log_probs=not live,
        beta=settings.beta or 0.0,
    )
    trainer = PreferenceTrainer(
        loss=loss_of(settings),
        cache=None if live else reference_cache(work, own, device),
        share=settings.share_prompts,
        model=model,
        ref_model=reference,
        args=config,
        train_dataset=Dataset.from_list(rows.train),
        eval_dataset=Dataset.from_list(rows.held_out),
        processing_class=tokenizer,
    )
    if other and not live:
        trainer.ref_model = None  # it has said all that it will be asked
    if settings.share_prompts:
        _check_sharing(trainer, rows, device)
    return trainer


def _check_sharing(trainer: PreferenceTrainer, rows: TokenRows, device: Device) -> None:
    """On the shortest pairs: a few are enough to see it, and none is too long for memory."""
    few = sorted(
        rows.train, key=lambda row: len(row["prompt_ids"]) + len(row["chosen_ids"]) + len(row["rejected_ids"])
    )[:4]
    pad = trainer.processing_class.pad_token_id
    batches = (PairCollator(pad_token_id=pad, share=share)(few) for share in (False, True))
    plain, shared = ({name: value.to(trainer.accelerator.device) for name, value in batch.items()} for batch in batches)
    with trainer.accelerator.autocast():
        check(trainer, plain, shared, half=device.autocast)


def loss_of(settings: TrainSettings) -> Loss:
    return Loss.named(settings.loss, beta=settings.beta or 0.0, ipo_beta=settings.ipo_beta or 0.0, alpha=settings.alpha)


def reference_cache(work: Work, start: Start, device: Device) -> ReferenceCache:
    marks = ["other"] if work.settings.reference_model else []  # which is loaded in another precision
    marks += ["shared"] if work.settings.share_prompts else []
    name = digest([start.version(), device.dtype, device.autocast, work.settings.attention, *marks])
    return ReferenceCache(work.cache / "reference", name)
