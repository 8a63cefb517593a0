"""Our settings as TRL's configuration. What a TRL default would do behind one's back is said here, out loud."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from constitutional.training.schedule import Schedule
from constitutional.training.settings import TrainSettings
from constitutional.training.trainers.policy import Device

PROJECT = "constitutional"
BEST = "eval_rewards/accuracies"


def arguments(
    settings: TrainSettings, schedule: Schedule, device: Device, folder: Path, *, lr: float, best: str, resumed: bool
) -> dict[str, Any]:
    """What every trainer of TRL is configured with."""
    return {
        "output_dir": str(folder),
        "learning_rate": lr,
        "max_steps": schedule.steps,
        "per_device_train_batch_size": schedule.micro_batch,
        "per_device_eval_batch_size": settings.eval_batch or 2 * schedule.micro_batch,
        "gradient_accumulation_steps": schedule.accumulate,
        "lr_scheduler_type": settings.schedule,
        "warmup_steps": settings.warmup,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        "optim": settings.optimizer,
        "seed": settings.seed,
        "data_seed": settings.seed,
        "max_length": None,  # rows are cut where they are tokenized, and counted
        "bf16": device.autocast,
        "use_cpu": not device.cuda,
        "dataloader_pin_memory": device.cuda,
        "gradient_checkpointing": settings.gradient_checkpointing,
        "use_liger_kernel": settings.liger,
        "logging_steps": schedule.log_every,
        "logging_nan_inf_filter": False,
        "eval_strategy": "steps",
        "eval_steps": schedule.eval_every,
        "eval_on_start": not resumed,
        "save_strategy": "steps",
        "save_steps": schedule.save_every,
        "save_total_limit": 1,
        "load_best_model_at_end": settings.patience > 0,
        "metric_for_best_model": best if settings.patience else None,
        "greater_is_better": best != "eval_loss" if settings.patience else None,
        "restore_callback_states_from_checkpoint": True,
        "report_to": list(settings.report_to),
        "project": PROJECT,
        "run_name": Path(settings.out).name,
        "disable_tqdm": True,
        "push_to_hub": False,
    }
