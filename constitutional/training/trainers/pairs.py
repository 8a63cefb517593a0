"""The stage ``dpo``: preference training on pairs, with the loss that the settings name."""

from __future__ import annotations

from typing import Any

from trl import DPOConfig

from constitutional.core.digest import digest
from constitutional.training.data import limited_held_out
from constitutional.training.settings import TrainSettings
from constitutional.training.stages import Outcome, Work
from constitutional.training.tokens import Speech, TokenRows, pair_tokens
from constitutional.training.trainers.arguments import BEST
from constitutional.training.trainers.bench import Bench
from constitutional.training.trainers.fit import fit
from constitutional.training.trainers.losses import Loss
from constitutional.training.trainers.policy import Device, Start, load_frozen, load_reference
from constitutional.training.trainers.preference import PairCollator, PreferenceTrainer
from constitutional.training.trainers.reference import ReferenceCache
from constitutional.training.trainers.sampling import Sampler, can_sample, prompts_of, reference_of
from constitutional.training.trainers.sharing import check


def run(work: Work) -> Outcome:
    bench = Bench.of(work)
    rows = tokens_of(bench)
    trainer = make_trainer(bench, rows)
    return fit(trainer, work, rows, bench.checkpoint, sampler_of(trainer, bench, rows))


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


def tokens_of(bench: Bench) -> TokenRows:
    settings = bench.work.settings
    part = limited_held_out(bench.work.data.preferences, settings.eval_rows, settings.seed)
    return pair_tokens(part, Speech(bench.tokenizer), settings.max_length or 0, settings.labels or "hard")


def make_trainer(bench: Bench, rows: TokenRows) -> PreferenceTrainer:
    settings, device = bench.work.settings, bench.device
    model = bench.policy()
    live = settings.reference == "live"
    other = settings.reference_model
    own = Start.of(other) if other else bench.start
    if other:
        reference = load_reference(own, settings, device)
    else:
        reference = load_frozen(own, settings, device) if live and not bench.adapter else None
    config = DPOConfig(
        **bench.arguments(bench.schedule(rows, settings.epochs), settings.lr, best=BEST),
        precompute_ref_log_probs=not live,
        beta=settings.beta or 0.0,
    )
    trainer = PreferenceTrainer(
        loss=loss_of(settings),
        cache=None if live else reference_cache(bench.work, own, device),
        share=settings.share_prompts,
        model=model,
        ref_model=reference,
        args=config,
        **bench.data(rows),
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
