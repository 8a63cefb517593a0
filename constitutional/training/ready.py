"""A training before it begins: the data is read, the settings are settled, and everything that can be wrong is found.
No weights are loaded."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from constitutional.errors import MissingExtraError, UnknownNameError, UsageError
from constitutional.models.local.away import loading
from constitutional.training.data import TrainingData, read_data
from constitutional.training.feedback import Basis
from constitutional.training.folder import OutFolder
from constitutional.training.processes import is_launched
from constitutional.training.settings import ONLINE, TrainSettings
from constitutional.training.settle import settle

FORMAT = 1
IDENTITIES = ("model", "data", "reference", "reward")
"""Of the plan: what a training is made of, by digest."""
REPORTERS = {"tensorboard": ("tensorboard", "tensorboardX"), "azure_ml": ("azureml",), "flyte": ("flytekit",)}
"""Packages that are called otherwise than in ``--report-to``; any of them will do."""
FLASH = {
    f"flash_attention_{n}": (package,) for n, package in ((2, "flash-attn"), (3, "flash-attn-3"), (4, "flash-attn-4"))
}
"""What each of transformers' names needs; the package `kernels` fetches any of them."""


@loading()
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
    check_here(settings)
    away: list[str] = []
    start.check_there(away.append)
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
        reference.check_there(away.append)
        plan["reference"] = reference.version()
        plan["settings"]["reference_model"] = reference.name
    if settings.main in ONLINE:
        basis = Basis.of(settings.run, settings.source)
        plan["reward"] = basis.digest()
        plan["settings"]["run"] = basis.name
    return Ready(settled, data, [*away, *notes], plan)


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
    for name in ("trl", "accelerate", "peft", "vllm", "huggingface_hub"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for category in (FutureWarning, UserWarning):  # of versions of vLLM, which nobody here uses through TRL
        warnings.filterwarnings("ignore", category=category, module="trl")


def check_here(settings: TrainSettings) -> None:
    """Whether the libraries and this machine can do what the settings ask for."""
    _check_names(settings)
    _check_machine(settings)


def _check_names(settings: TrainSettings) -> None:
    """Names of transformers' own."""
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK
    from transformers.trainer_utils import SchedulerType
    from transformers.training_args import OptimizerNames

    for kind, name, known in (
        ("optimizer", settings.optimizer, OptimizerNames),
        ("schedule", settings.schedule, SchedulerType),
    ):
        names = [member.value for member in known]
        if name not in names:
            raise UnknownNameError.among(kind, name, names)
    for name in settings.report_to:
        if name not in INTEGRATION_TO_CALLBACK:
            raise UnknownNameError.among("--report-to", name, INTEGRATION_TO_CALLBACK)


def _check_machine(settings: TrainSettings) -> None:
    """What the settings need and this machine has not."""
    import torch

    for name in settings.report_to:
        check_reporter(name)
    if settings.liger:
        if importlib.util.find_spec("liger_kernel") is None:
            raise MissingExtraError("--liger: liger-kernel is not installed: pip install liger-kernel")
        if settings.cpu or not torch.cuda.is_available():
            raise UsageError("--liger: its kernels need a GPU, and there is none here")
    if settings.attention is not None:
        check_attention(settings.attention, cpu=settings.cpu)
    alone = settings.launcher is None and not is_launched()
    if alone and torch.cuda.is_available() and not settings.cpu and torch.cuda.device_count() > 1:
        raise UsageError(
            f"{torch.cuda.device_count()} GPUs are visible: use them all with --launcher accelerate --config fsdp2, or "
            "make one visible with CUDA_VISIBLE_DEVICES=0"
        )


def check_reporter(name: str) -> None:
    """Its package may be there and want another that is not: it is imported, as the trainer would."""
    packages = REPORTERS.get(name, (name,))
    faults: list[str] = []
    for package in packages:
        try:
            importlib.import_module(package)
        except ModuleNotFoundError as error:
            if error.name != package:
                faults.append(f"{package} cannot be imported: {error}: pip install {error.name}")
        except ImportError as error:
            faults.append(f"{package} cannot be imported: {error}")
        else:
            return
    missing = f"{packages[0]} is not installed: pip install {packages[0]}"
    raise MissingExtraError(f"--report-to {name}: {faults[0] if faults else missing}")


def check_attention(name: str, *, cpu: bool) -> None:
    """Flash attention is a package of its own, for each of its versions another, and needs a GPU."""
    from importlib.metadata import PackageNotFoundError, version

    import torch
    from transformers import AttentionInterface

    known = {"eager", *(known for known in AttentionInterface().valid_keys() if "|" not in known)}
    if name not in known and "/" not in name:
        raise UnknownNameError.among("attention", name, known)
    if name not in FLASH and "/" not in name:
        return
    if cpu or not torch.cuda.is_available():
        raise UsageError(f"--attention {name}: needs a GPU, and none is used here: leave it out, or name sdpa")
    packages = (*FLASH.get(name, ()), "kernels")
    for package in packages:
        with suppress(PackageNotFoundError):
            version(package)
            return
    install = " or ".join(f"pip install {package}" for package in packages)
    raise MissingExtraError(f"--attention {name}: {packages[0]} is not installed: {install}; sdpa needs none of them")


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
