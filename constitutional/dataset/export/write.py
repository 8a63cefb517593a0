"""Writes an export: row by row, every file whole or not at all, the same rows to the same bytes."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from constitutional.dataset.export.format import Format, Place
from constitutional.dataset.rows import Row
from constitutional.dataset.source import DatasetFolder
from constitutional.errors import UsageError, near_matches
from constitutional.whole import replacing, writing

ALL = "all"
BATCH = 1000
LARGEST_INFO = 1 << 20


@dataclass(frozen=True)
class Wanted:
    """Which rows. A margin is a matter of pairs."""

    splits: Sequence[str]
    min_margin: float = 0.0
    tags: frozenset[str] = frozenset()
    limit: int | None = None

    def takes(self, row: Row) -> bool:
        if self.tags and not self.tags & set(row["tags"]):
            return False
        return self.min_margin <= 0 or row["margin"] >= self.min_margin


@dataclass
class Report:
    """What became of the rows."""

    places: list[Place] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """Reason → rows that the format cannot hold."""
    not_wanted: int = 0
    soft: int = 0
    """Labels that are less than certain, in rows that were written."""

    @property
    def rows(self) -> int:
        return sum(place.rows for place in self.places)


def wanted_splits(source: DatasetFolder, format: Format, split: str | None) -> list[str]:
    """``train`` of a file, everything of a folder, unless one is named."""
    there = source.splits(format.subset)
    if not there:
        raise UsageError(f"{source.path} has no subset {format.subset!r}, of which the format {format.name} is made")
    if split == ALL or (split is None and format.folder):
        return there
    chosen = split or there[0]
    if chosen not in there:
        raise UsageError(f"no split {chosen!r}{near_matches(chosen, [*there, ALL])}")
    return [chosen]


def export(source: DatasetFolder, format: Format, out: Path, wanted: Wanted) -> Report:
    report = Report()
    with writing(out):
        if format.folder:
            _folder(source, format, out, wanted, report)
        else:
            _check_suffix(format, out)
            out.parent.mkdir(parents=True, exist_ok=True)
            rows = (row for split in wanted.splits for row in _converted(source, format, split, wanted, report))
            written = _write(out, itertools.islice(rows, wanted.limit), array=False)
            report.places.append(Place("+".join(wanted.splits), out.name, written))
            report.files.append(out)
    return report


def _folder(source: DatasetFolder, format: Format, out: Path, wanted: Wanted, report: Report) -> None:
    if out.is_file():
        raise UsageError(f"{out} is a file: {format.name} is a folder of files, give --out DIR")
    out.mkdir(parents=True, exist_ok=True)
    by_file: dict[str, list[str]] = {}
    for split in wanted.splits:
        by_file.setdefault(format.file(split), []).append(split)
    for name, splits in by_file.items():
        rows = (row for split in splits for row in _converted(source, format, split, wanted, report))
        written = _write(out / name, itertools.islice(rows, wanted.limit), array=format.array)
        report.places.append(Place("+".join(splits), name, written))
        report.files.append(out / name)
    if format.beside is not None:
        for name, content in format.beside(out.resolve().name, report.places, _there(out)).items():
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as file:
                file.write(content.encode())
            report.files.append(path)


def _there(out: Path) -> dict[str, str]:
    """Small files of the folder that a format may add to."""
    files = [path for path in out.glob("*.json") if path.is_file() and path.stat().st_size < LARGEST_INFO]
    return {path.name: path.read_text("utf-8", "replace") for path in files}


def _converted(source: DatasetFolder, format: Format, split: str, wanted: Wanted, report: Report) -> Iterator[Row]:
    for row in source.rows(format.subset, split):
        if not wanted.takes(row):
            report.not_wanted += 1
            continue
        made = format.convert(row)
        if isinstance(made, str):
            report.left_out[made] += 1
            continue
        report.soft += not format.holds_probability and row.get("p_chosen") not in (None, 1.0)
        yield made


def _check_suffix(format: Format, out: Path) -> None:
    if out.is_dir():
        raise UsageError(f"{out} is a folder: {format.name} is one file, give --out FILE{format.suffixes[0]}")
    if out.suffix not in format.suffixes:
        raise UsageError(f"{out}: {format.name} is written as {' or '.join(format.suffixes)}: name the file so")


def _write(path: Path, rows: Iterable[Row], *, array: bool) -> int:
    with replacing(path) as file:
        if path.suffix == ".parquet":
            return _parquet(file, rows)
        return _array(file, rows) if array else _lines(file, rows)


def _lines(file: IO[bytes], rows: Iterable[Row]) -> int:
    written = 0
    for row in rows:
        file.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
        written += 1
    return written


def _array(file: IO[bytes], rows: Iterable[Row]) -> int:
    written = 0
    for row in rows:
        file.write(b",\n" if written else b"[\n")
        file.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        written += 1
    file.write(b"\n]\n" if written else b"[]\n")
    return written


def _parquet(file: IO[bytes], rows: Iterable[Row]) -> int:
    """The columns are those of the first batch: every row of a format has the same."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer: Any = None
    written, batch = 0, []
    for row in rows:
        batch.append(row)
        if len(batch) >= BATCH:
            writer = _add(writer, file, pa.Table.from_pylist(batch, writer and writer.schema), pq)
            written, batch = written + len(batch), []
    if batch or writer is None:
        writer = _add(writer, file, pa.Table.from_pylist(batch, writer and writer.schema), pq)
    writer.close()
    return written + len(batch)


def _add(writer: Any, file: IO[bytes], table: Any, pq: Any) -> Any:
    writer = writer or pq.ParquetWriter(file, table.schema, compression="zstd")
    writer.write_table(table)
    return writer
