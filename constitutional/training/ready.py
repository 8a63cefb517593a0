"""A training before it begins: the data is read, the settings are settled, and everything that can be wrong is found.
No weights are loaded."""

from __future__ import annotations

import logging
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from constitutional.errors import MissingExtraError, UsageError
from constitutional.training.data import TrainingData, read_data
from constitutional.training.feedback import Basis
from constitutional.training.folder import OutFolder
from constitutional.training.processes import is_launched
from constitutional.training.settings import ONLINE, TrainSettings
from constitutional.training.settle import settle

FORMAT = 1
IDENTITIES = ("model", "data", "reference", "reward")
"""Of the plan: what a training is made of, by digest."""


def begin(settings: TrainSettings) -> tuple[OutFolder, Ready]:
    """Where the training goes and what it will be; raises whatever can be known to be wrong before it."""
    settings.check()
    folder = OutFolder(Path(settings.out).expanduser())
    if settings.fresh:
        folder = folder.fresh()
    folder.check()
    data = read_data(settings)
    hush()
    ready = prepare(settings, data)
    saved = folder.record or folder.plan
    if saved is not None:
        _check_same(folder, saved, ready)
    return folder, ready


@dataclass(frozen=True, slots=True)
class Ready:
    """Everything that is known before a model is loaded."""

    settings: TrainSettings
    data: TrainingData
    notes: list[str]
    plan: dict[str, Any]
    """What decides the result: another plan is another training."""


def prepare(settings: TrainSettings, data: TrainingData) -> Ready:
    """Settings without holes, and the plan's identity. Reads the model's configuration, not its weights."""
    from constitutional.training.trainers.policy import LONGEST, Start, context_of, load_config, load_tokenizer

    start = Start.of(settings.model, settings.revision)
    _check_machine(settings)
    adapter = settings.lora is not None or start.adapter is not None
    if settings.merge and not adapter:
        raise UsageError("--merge: there is an adapter to merge only with --lora RANK")
    settled, notes = settle(settings, data, adapter=adapter)
    context = context_of(load_config(start, settled), load_tokenizer(start, settled))
    if settings.max_length is not None and settings.max_length > context:
        raise UsageError(f"--max-length {settings.max_length}: the context of {start.name} has {context:,} tokens")
    settled = settled.but(max_length=settings.max_length or min(context, LONGEST))
    plan: dict[str, Any] = {
        "format": FORMAT,
        "settings": settled.plan() | {"source": data.about.name, "model": start.name},
        "model": start.version(),
        "data": data.digest(),
    }
    if settings.reference_model is not None:
        reference = Start.of(settings.reference_model)
        plan["reference"] = reference.version()
        plan["settings"]["reference_model"] = reference.name
    if settings.main in ONLINE:
        basis = Basis.of(settings.run, settings.source)
        plan["reward"] = basis.digest()
        plan["settings"]["run"] = basis.name
    return Ready(settled, data, notes, plan)


def hush() -> None:
    """Libraries speak of their own affairs; what matters is said by us."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import datasets
        import transformers
        import trl  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError.naming(error.name or "trl", "train") from error
    transformers.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    for name in ("trl", "accelerate", "peft", "vllm"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for category in (FutureWarning, UserWarning):  # of versions of vLLM, which nobody here uses through TRL
        warnings.filterwarnings("ignore", category=category, module="trl")


def _check_machine(settings: TrainSettings) -> None:
    """What the settings need and this machine has not."""
    import importlib.util

    import torch

    for name in settings.report_to:
        packages = {"tensorboard": ("tensorboard", "tensorboardX")}.get(name, (name,))
        if not any(importlib.util.find_spec(package) for package in packages):
            raise MissingExtraError(f"--report-to {name}: {packages[0]} is not installed: pip install {packages[0]}")
    if settings.liger:
        if importlib.util.find_spec("liger_kernel") is None:
            raise MissingExtraError("--liger: liger-kernel is not installed: pip install liger-kernel")
        if settings.cpu or not torch.cuda.is_available():
            raise UsageError("--liger: its kernels need a GPU, and there is none here")
    alone = settings.launcher is None and not is_launched()
    if alone and torch.cuda.is_available() and not settings.cpu and torch.cuda.device_count() > 1:
        raise UsageError(
            f"{torch.cuda.device_count()} GPUs are visible: use them all with --launcher accelerate --config fsdp2, or "
            "make one visible with CUDA_VISIBLE_DEVICES=0"
        )


def _check_same(folder: OutFolder, saved: dict[str, Any], ready: Ready) -> None:
    """A folder is one training. What differs is named."""
    old, new = saved.get("settings", {}), ready.plan["settings"]
    changed = [f"{name}: {old.get(name)} → {new[name]}" for name in new if old.get(name) != new[name]]
    changed += [f"the {name} itself" for name in IDENTITIES if saved.get(name) != ready.plan.get(name)]
    if changed:
        lines = "\n".join(f"  {line}" for line in changed)
        raise UsageError(
            f"{folder.path} holds another training; changed since:\n{lines}\n"
            "add --fresh to train in a new folder beside it, or choose another --out"
        )
