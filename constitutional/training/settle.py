"""Fills in what the user left open, and says why where it is a choice."""

from __future__ import annotations

from constitutional.training.advice import Thresholds, advise
from constitutional.training.data import TrainingData
from constitutional.training.settings import TrainSettings

BETA = 0.1
LR_FULL, LR_LORA = 5e-7, 5e-5
SFT_LR_FULL, SFT_LR_LORA = 1e-5, 1e-4


def settle(settings: TrainSettings, data: TrainingData, *, adapter: bool) -> tuple[TrainSettings, list[str]]:
    """Settings without holes, and notes. ``adapter``: only an adapter is trained. A β that a sweep is to find stays open."""
    notes = []
    labels = settings.labels or ("soft" if data.soft else "hard")
    if settings.labels is None and not data.soft and data.preferences.usable:
        notes.append("the data has no p_chosen: every label counts as certain")
    loss = settings.loss
    if loss == "auto":
        limits = Thresholds(settings.auto_agreement, settings.auto_size, settings.auto_strength)
        loss, why = advise(data.facts, limits)
        notes.append(why)
    beta = BETA if settings.beta is None and not settings.sweep else settings.beta
    return (
        settings.but(
            loss=loss,
            labels=labels,
            beta=beta,
            ipo_beta=beta if settings.ipo_beta is None else settings.ipo_beta,
            lr=settings.lr or (LR_LORA if adapter else LR_FULL),
            sft_lr=settings.sft_lr or (SFT_LR_LORA if adapter else SFT_LR_FULL),
            lora_alpha=settings.lora_alpha or (None if settings.lora is None else 2.0 * settings.lora),
        ),
        notes,
    )
