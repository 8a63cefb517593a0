"""Is a dataset what it was when it was written, and who made which row? Every digest is computed again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import yaml

from constitutional.core.digest import digest
from constitutional.dataset.manifest import (
    CARD,
    MANIFEST,
    FileEntry,
    Manifest,
    RunEntry,
    SplitEntry,
    content_digest,
    file_entry,
    read_manifest,
)
from constitutional.dataset.rows import ID
from constitutional.dataset.shards import row_id, text_of
from constitutional.dataset.source import DatasetFolder, rows_of_file, schema_of_file
from constitutional.errors import ConstitutionalError

NOT_OURS = {".gitattributes", ".signature", ".warnings.json", MANIFEST}
"""What the Hub and a run folder put beside a dataset."""
MOST_NAMED = 10
"""Changed rows that are named, per file."""


@dataclass
class Verified:
    manifest: Manifest
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    rows: int = 0
    runs: dict[str, Counter[str]] = field(default_factory=dict)
    """Run → subset → rows that name it."""


def verify(folder: Path) -> Verified:
    found = Verified(read_manifest(folder))
    changed = set(_files(folder, found))
    digests: dict[str, dict[str, str]] = {}
    for subset, splits in found.manifest.subsets.items():
        digests[subset] = {}
        for split, entry in splits.items():
            digests[subset][split] = _split(folder, subset, split, entry, changed, found)
    _totals(found, digests)
    for name, run in found.manifest.runs.items():
        found.faults += _provenance(folder, name, run)
    return found


def _files(folder: Path, found: Verified) -> Iterator[str]:
    """Every file of the manifest and every other; the names of those whose content is another."""
    there = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    for name, entry in found.manifest.files.items():
        path = there.pop(name, None)
        if path is None:
            if not entry.local:
                found.faults.append(f"{name}: missing")
            continue
        if _differs(path, entry):
            if name == CARD:
                found.warnings.append(f"{name}: edited since it was written (no row is in it)")
            else:
                found.faults.append(f"{name}: its content is another than when it was written")
            yield name
    for name in there:
        if name not in NOT_OURS and not name.startswith((".cache/", ".git/")):
            found.faults.append(f"{name}: no part of this dataset, added later")


def _differs(path: Path, entry: FileEntry) -> bool:
    return path.stat().st_size != entry.bytes or file_entry(path).sha256 != entry.sha256


def _split(folder: Path, subset: str, split: str, entry: SplitEntry, changed: set[str], found: Verified) -> str:
    """The digest of a split's rows as they are now, every row compared with its own id."""
    content, count = blake2b(digest_size=16), 0
    for path in DatasetFolder(folder).shards(subset, split):
        name = path.relative_to(folder).as_posix()
        try:
            for number, row, made in _rows(path):
                count += 1
                content.update(made.encode())
                _row(found, subset, f"{name}: row {number}", row, made)
        except ConstitutionalError as error:
            found.faults.append(f"{name}: {str(error).partition(': ')[2] or error}")
    now = content.hexdigest()
    if count != entry.rows:
        found.faults.append(f"{subset}/{split}: {count:,} rows, it had {entry.rows:,}")
    elif now != entry.digest and not any(
        fault.startswith(f"{subset}/{split}-") and ": row " in fault for fault in found.faults
    ):
        found.faults.append(f"{subset}/{split}: rows were replaced or put in another order")
    return now


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any], str]]:
    """(number, row, what its id has to be)."""
    schema = schema_of_file(path)
    text = text_of(schema)
    for number, row in enumerate(rows_of_file(path), 1):
        yield number, row, row_id(text(row))


def _row(found: Verified, subset: str, place: str, row: dict[str, Any], made: str) -> None:
    found.rows += 1
    run = str(row.get("run"))
    found.runs.setdefault(run, Counter())[subset] += 1
    name = place.partition(": row ")[0]
    if row.get(ID) != made:
        _name(found, name, f"{place} (prompt {row.get('prompt_id')}): changed since it was written")
    if run not in found.manifest.runs:
        _name(found, name, f"{place} (prompt {row.get('prompt_id')}): made by {run}, a run that is not of this dataset")


def _name(found: Verified, file: str, fault: str) -> None:
    """The first of a file in full, then only how many."""
    named = sum(other.startswith(f"{file}: row ") for other in found.faults)
    if named < MOST_NAMED:
        found.faults.append(fault)
        return
    more = f"{file}: and more rows"
    if more not in found.faults:
        found.faults.append(more)


def _totals(found: Verified, digests: dict[str, dict[str, str]]) -> None:
    """The manifest agrees with itself and with what was counted."""
    manifest = found.manifest
    written = {s: {split: entry.digest for split, entry in splits.items()} for s, splits in manifest.subsets.items()}
    if content_digest(written) != manifest.content:
        found.faults.append(f"{MANIFEST}: its digests of the subsets are not those of its content {manifest.content}")
    if digests == written:
        for name, run in manifest.runs.items():
            counted = dict(found.runs.get(name, Counter()))
            if counted != {subset: rows for subset, rows in run.rows.items() if rows}:
                found.faults.append(f"{MANIFEST}: run {name} made other numbers of rows than it says")


def _provenance(folder: Path, name: str, run: RunEntry) -> Iterator[str]:
    """The settings and templates of a run are those that its digests name."""
    settings = folder / run.files / "config.yaml"
    if settings.is_file() and digest(_yaml(settings)) != run.config:
        yield f"{run.files}/config.yaml: not the settings of run {name}"
    for template, wanted in run.templates.items():
        path = folder / run.files / "templates" / template
        if path.is_file() and digest(path.read_text("utf-8")) != wanted:
            yield f"{run.files}/templates/{template}: not the template of run {name}"


def _yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return None
