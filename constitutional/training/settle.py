"""Fills in what the user left open, and says why where it is a choice."""

from __future__ import annotations

from constitutional.training.advice import Thresholds, advise
from constitutional.training.data import TrainingData
from constitutional.training.settings import CERTAIN, ONLINE, TrainSettings

BETA, ONLINE_BETA = 0.1, 0.05
LR_FULL, LR_LORA = 5e-7, 5e-5
OTHER_LR = {"orpo": (8e-6, 8e-5), "reward": (1e-5, 1e-4), "grpo": (1e-6, 1e-5), "rloo": (1e-6, 1e-5)}
"""Where another loss or stage is published with another rate: of every weight, of an adapter."""
SFT_LR_FULL, SFT_LR_LORA = 1e-5, 1e-4


def settle(settings: TrainSettings, data: TrainingData, *, adapter: bool) -> tuple[TrainSettings, list[str]]:
    """Settings without holes, and notes. ``adapter``: only an adapter is trained. A β that a sweep is to find stays open."""
    notes = []
    certain = settings.main == "dpo" and settings.loss in CERTAIN
    labels = settings.labels or ("soft" if data.soft and not certain else "hard")
    if settings.main == "dpo" and settings.loss == "orpo":
        notes.append("--loss orpo is experimental in TRL: it may change or go with any release")
    if certain and data.soft:
        notes.append(f"--loss {settings.loss} takes every label as certain: p_chosen plays no part")
    elif settings.labels is None and not data.soft and data.preferences.usable:
        notes.append("the data has no p_chosen: every label counts as certain")
    other = OTHER_LR.get(settings.loss if settings.main == "dpo" else settings.main)
    full, lora = other or (LR_FULL, LR_LORA)
    grader = settings.main == "reward"
    adapter = adapter and not (grader and settings.lora is None)
    if grader and settings.lora is not None and not settings.merge:
        notes.append("the adapter is worked in: a judge or a scorer takes a reward model whole")
    loss = settings.loss
    if loss == "auto":
        limits = Thresholds(settings.auto_agreement, settings.auto_size, settings.auto_strength)
        loss, why = advise(data.facts, limits)
        notes.append(why)
    usual = ONLINE_BETA if settings.main in ONLINE else BETA
    beta = usual if settings.beta is None and not settings.sweep else settings.beta
    return (
        settings.but(
            loss=loss,
            labels=labels,
            beta=beta,
            ipo_beta=beta if settings.ipo_beta is None else settings.ipo_beta,
            lr=settings.lr or (lora if adapter else full),
            sft_lr=settings.sft_lr or (SFT_LR_LORA if adapter else SFT_LR_FULL),
            merge=settings.merge or (grader and settings.lora is not None),
            lora_alpha=settings.lora_alpha or (None if settings.lora is None else 2.0 * settings.lora),
        ),
        notes,
    )
