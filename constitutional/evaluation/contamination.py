"""Held-out must be held out: which of the prompts the tuned model was trained on, as far as is known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from constitutional.core.codec import from_json
from constitutional.core.records import Prompt, Trace
from constitutional.core.similarity import normalised
from constitutional.dataset.source import DatasetFolder
from constitutional.errors import ConstitutionalError
from constitutional.ledger import LedgerView, RunFolder

RECORD = "training.json"
"""What a training leaves in its folder."""
SUBSETS = ("preference", "sft", "unpaired")
Messages = Iterable[tuple[str, str]]


def contaminated(prompts: Iterable[Prompt], trained_on: str | None, tuned: Path | None) -> list[str]:
    """Warnings. ``trained_on`` is a run or dataset; else the record in the tuned model's folder says what it was."""
    source = trained_on or (recorded_source(tuned) if tuned is not None else None)
    if source is None:
        return []
    try:
        known = {_name(messages) for messages in training_prompts(Path(source).expanduser())}
    except (ConstitutionalError, OSError, ValueError) as error:
        return [f"whether these prompts were trained on is not known: {source} cannot be read: {error}"]
    seen = [prompt for prompt in prompts if _name(prompt.messages) in known]
    if not seen:
        return []
    few = ", ".join(prompt.source or prompt.id for prompt in seen[:3])
    more = f" and {len(seen) - 3:,} more" if len(seen) > 3 else ""
    return [
        f"{len(seen):,} of the prompts are among those that the tuned model was trained on ({few}{more}): "
        "they are not held out, and its values are too good"
    ]


def recorded_source(folder: Path) -> str | None:
    """What the training in this folder says it was trained on; None where there is no such record."""
    try:
        record = json.loads((folder / RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    found = record.get("settings", {}).get("source") if isinstance(record, dict) else None
    return found if isinstance(found, str) else None


def training_prompts(path: Path) -> Iterator[Messages]:
    """Of a run all its prompts that became a pair or a revision; of a dataset those of its training splits."""
    if RunFolder(path).started and not RunFolder(path).dataset.is_dir():
        yield from _of_ledger(path)
        return
    if path.suffix in (".jsonl", ".parquet"):
        from constitutional.pipeline.prompts import read_prompts

        yield from (row.messages for row in read_prompts(str(path)) if isinstance(row, Prompt))
        return
    folder = DatasetFolder.find(path)
    for subset in SUBSETS:
        for split in folder.splits(subset):
            if split == "train":
                for row in folder.rows(subset, split):
                    yield [(turn["role"], turn["content"]) for turn in row["prompt"]]


def _of_ledger(path: Path) -> Iterator[Messages]:
    with LedgerView(RunFolder(path).ledger) as view:
        for (body,) in view.rows("SELECT body FROM traces WHERE pairs > 0"):
            yield from_json(Trace, body).prompt.messages


def _name(messages: Any) -> bytes:
    """The dialogue without its system message; case, punctuation and spaces make no other."""
    text = "\x00".join(f"{role}\x01{normalised(content)}" for role, content in messages if role != "system")
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
