"""``manifest.json``: what a dataset folder holds, with digests, and which runs made it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from constitutional.core.digest import digest
from constitutional.errors import UsageError

MANIFEST = "manifest.json"
CARD = "README.md"
BLOCK = 1 << 20


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FileEntry(_Strict):
    bytes: int
    sha256: str
    rows: int | None = None
    local: bool = False
    """The same rows once more, for `load_from_disk`: not uploaded, and not missed."""


class SplitEntry(_Strict):
    rows: int
    digest: str
    """Of the ids of its rows, in order: the same however the files are cut."""


class ConstitutionEntry(_Strict):
    name: str
    version: str
    digest: str


class CardEntry(_Strict):
    digest: str
    may_label: bool


class ModelEntry(_Strict):
    model: str
    revision: str | None = None
    license: str | None = None


class RunEntry(_Strict):
    """A run, by the name that stands in the column ``run``."""

    plan: str
    status: str
    config: str
    """Digest of its settings as they are in the folder ``files``."""
    constitution: ConstitutionEntry | None = None
    templates: dict[str, str] = {}
    """Name → digest."""
    models: dict[str, ModelEntry] = {}
    judge_card: CardEntry | None = None
    accept_bad_judge: bool = False
    files: str
    rows: dict[str, int] = {}
    """Subset → how many of its rows this run made."""


class MergeEntry(_Strict):
    """How several runs became one dataset."""

    by: Literal["prompt", "pair"]
    rule: str
    runs: list[dict[str, Any]]
    differences: dict[str, dict[str, Any]] = {}
    """Setting → run → value, where they are not all the same."""


class Manifest(_Strict):
    format: Literal[1] = 1
    made_with: str
    complete: bool
    """Every prompt of every run was finished."""
    content: str
    """Names all rows of all subsets."""
    subsets: dict[str, dict[str, SplitEntry]]
    runs: dict[str, RunEntry]
    merged: MergeEntry | None = None
    files: dict[str, FileEntry]

    def dump(self) -> str:
        return json.dumps(self.model_dump(mode="json", exclude_defaults=False), indent=1, ensure_ascii=False) + "\n"

    @property
    def travelling(self) -> dict[str, FileEntry]:
        return {path: entry for path, entry in self.files.items() if not entry.local}


def content_digest(digests: Mapping[str, Mapping[str, str]]) -> str:
    """``digests``: subset → split → digest of its rows."""
    return digest({subset: dict(splits) for subset, splits in digests.items()})


def file_entry(path: Path, rows: int | None = None, *, local: bool = False) -> FileEntry:
    hashed, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            hashed.update(block)
            size += len(block)
    return FileEntry(bytes=size, sha256=hashed.hexdigest(), rows=rows, local=local)


def file_entries(folder: Path, rows_in: Mapping[str, int], leave_out: Iterable[str] = ()) -> dict[str, FileEntry]:
    """Every file of a dataset folder. What lies deeper than a subset's folder is the Arrow copy."""
    out = {MANIFEST, *leave_out}
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    return {
        name: file_entry(path, rows_in.get(name), local=is_local(name))
        for name, path in names.items()
        if name not in out
    }


def is_local(name: str) -> bool:
    """``preference/train/…`` and ``preference/dataset_dict.json``."""
    return (
        name.endswith("/dataset_dict.json")
        or Path(name).name
        in (
            "state.json",
            "dataset_info.json",
        )
        or name.endswith(".arrow")
    )


def run_entries(
    summaries: Mapping[str, tuple[dict[str, Any], str]], rows: Mapping[str, Counter[str]]
) -> dict[str, Any]:
    """``summaries``: run → what is said of it, and the folder of its files."""
    return {
        name: RunEntry(**about, files=files, rows=dict(sorted(rows.get(name, Counter()).items())))
        for name, (about, files) in summaries.items()
    }


def read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise UsageError(
            f"{folder} has no {MANIFEST}: it was not written by this version of constitutional, or the file was removed; "
            "`constitutional generate` writes it beside the dataset"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    if isinstance(data, dict) and data.get("format") != 1:
        raise UsageError(f"{path}: a manifest of format {data.get('format')!r}, this version reads 1")
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{path}: not a manifest as it was written: {key}: {first['msg']}") from error
