"""``pocket:base``, the tiny model that ships with the toolkit, and ``pocket:seed-N``, those trained on this machine.

Both are ordinary model folders, run by the transformers adapter in this process. The name says which world they live in;
their identity in the ledger is what is in the folder."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from constitutional.errors import ModelUnavailableError, UnknownNameError
from constitutional.models.local.checkpoint import LocalModel
from constitutional.models.transformers import TransformersModel, TransformersOptions
from constitutional.roles import ModelSetup

SHIPPED = Path(__file__).parent / "model"
BATCH = 64
_SEED = re.compile(r"seed-(\d+)")


def pocket_model(setup: ModelSetup) -> TransformersModel:
    """Takes no options: how it runs makes no difference to what it says."""
    name = Path(setup.model).name  # a whole path where a file of that name happens to lie beside the run file
    local = LocalModel.of(replace(setup, model=str(folder_of(name))), None, {})
    return TransformersModel(replace(local, id=f"{setup.provider}:{name}"), TransformersOptions(max_batch=BATCH))


def folder_of(name: str) -> Path:
    """``base`` → the folder that ships; ``seed-3`` → the one that was trained from scratch with that seed."""
    if name == "base":
        return SHIPPED
    seed = _SEED.fullmatch(name)
    if seed is None:
        raise UnknownNameError.among("pocket model", name, ("base", "seed-N"))
    from constitutional.pocket import scratch

    folder = scratch.find(int(seed[1]))
    if folder is None:
        raise ModelUnavailableError(
            f"pocket:{name} has not been trained on this machine: "
            f"constitutional demo --from-scratch --seed {int(seed[1])} does it"
        )
    return folder
