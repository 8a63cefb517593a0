"""The reference's log-probabilities of every answer, computed once and kept under a digest of what they depend on.

They are those of a frozen model over fixed tokens, so a resume, another loss, another β or another learning rate finds
them; and the reference need not be in memory while the policy trains."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from datasets import Dataset
from safetensors.torch import load_file, save_file
from torch import Tensor

CHOSEN, REJECTED = "ref_chosen_logps", "ref_rejected_logps"
FORMAT = 1


@dataclass(slots=True)
class ReferenceCache:
    """``model`` names the reference: its content, its precision and how attention is computed."""

    folder: Path
    model: str
    found: list[str] = field(default_factory=list)
    computed: list[str] = field(default_factory=list)

    def attach(self, dataset: Dataset, compute: Callable[[], tuple[Tensor, Tensor]], accelerator: Any) -> Dataset:
        """The dataset with the two columns. Every process of a distributed training computes or none does."""
        name = self.key(dataset)
        path = self.folder / f"{name}.safetensors"
        accelerator.wait_for_everyone()
        if path.is_file():
            self.found.append(name)
        else:
            self.computed.append(name)
            chosen, rejected = compute()
            if accelerator.is_main_process:
                self.folder.mkdir(parents=True, exist_ok=True)
                part = path.with_suffix(f".{os.getpid()}.part")
                save_file({CHOSEN: chosen.contiguous(), REJECTED: rejected.contiguous()}, part)
                part.replace(path)
            accelerator.wait_for_everyone()
        values = load_file(path)
        for column in (CHOSEN, REJECTED):
            dataset = dataset.add_column(column, values[column].tolist())
        return dataset

    def key(self, dataset: Dataset) -> str:
        """Of the model and of every token, in order."""
        hashed = blake2b(repr((FORMAT, self.model)).encode(), digest_size=16)
        for row in dataset:
            columns = ("prompt_ids", "chosen_ids", "rejected_ids", "chosen_mask", "rejected_mask")
            hashed.update(repr([row[name] for name in columns]).encode())
        return hashed.hexdigest()
