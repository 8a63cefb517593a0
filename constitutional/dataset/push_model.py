"""A trained model to the Hub, with its card. What a training keeps for itself stays here, and so do this machine's
paths."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from constitutional.dataset.manifest import CARD
from constitutional.dataset.push import Item
from constitutional.dataset.scrub import scrubber
from constitutional.errors import UsageError
from constitutional.models.local.there import ADAPTER_CONFIG

LEFT = (
    "training_args.bin",
    "optimizer*",
    "scheduler*",
    "rng_state*",
    "trainer_state.json",
    "plan.json",
    "*.part",
    "*.lock",
)
LEFT_FOLDERS = ("checkpoint-*", "checkpoints", "runs", "*.part", "__pycache__")
WEIGHTS = ("*.safetensors", "*.bin", "*.gguf")
SETTINGS = ("config.json", ADAPTER_CONFIG, "generation_config.json", "training.json", "log.jsonl")
"""Files in which a training may have written where it read from."""


def model_items(folder: Path) -> list[Item]:
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; give the --out folder of a finished `constitutional train`")
    if not (folder / CARD).is_file():
        raise UsageError(f"{folder} has no card ({CARD}): a model travels with one; `constitutional train` writes it")
    paths = list(_paths(folder))
    if not any(fnmatch(path.name, pattern) for path in paths for pattern in WEIGHTS):
        raise UsageError(f"{folder} holds no weights: give the --out folder of a finished `constitutional train`")
    return [_item(path, path.relative_to(folder).as_posix()) for path in paths]


def _paths(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") for part in parts)
        left = any(fnmatch(part, pattern) for part in parts[:-1] for pattern in LEFT_FOLDERS)
        if path.is_file() and not hidden and not left and not any(fnmatch(path.name, pattern) for pattern in LEFT):
            yield path


def _item(path: Path, name: str) -> Item:
    if path.name not in (*SETTINGS, CARD):
        return Item(name, path, path.stat().st_size)
    text = path.read_text("utf-8")
    if path.suffix == ".json":
        text = json.dumps(_without_paths(json.loads(text)), indent=2, ensure_ascii=False) + "\n"
    elif path.suffix == ".jsonl":
        rows = (_without_paths(json.loads(line)) for line in text.splitlines() if line.strip())
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    else:
        text = _scrub_paths(text)
    content = text.encode()
    return Item(name, content, len(content))


_scrub = scrubber()


def _without_paths(value: Any) -> Any:
    """A text that is a path of this machine becomes its last name, and one that speaks of paths is scrubbed."""
    if isinstance(value, dict):
        return {key: _without_paths(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_paths(inner) for inner in value]
    if not isinstance(value, str):
        return value
    if value.startswith(("/", "~/")):
        return PurePosixPath(value).name
    if value[1:3] == ":\\" or value.startswith("\\\\"):
        return PureWindowsPath(value).name
    return _scrub(value)


def _scrub_paths(text: str) -> str:
    """Of a card: its links are meant."""
    return "\n".join(line if "://" in line else _scrub(line) for line in text.split("\n"))
