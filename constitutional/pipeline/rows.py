"""Rows from wherever they are: JSONL, CSV, Parquet, a saved dataset, a Hub id, standard input.

One that cannot be parsed is a ``RowFault`` with its place, and never stops anything by itself."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from constitutional import tables
from constitutional.core.records import Reason
from constitutional.errors import MissingExtraError, PromptFileError, first_line, near_matches


@dataclass(frozen=True, slots=True)
class RowFault:
    """A row that is no prompt: ``source`` says where it stands."""

    source: str
    detail: str
    reason: str = Reason.BAD_ROW


Row = tuple[str, Any]
"""Where a row stands, and what it holds: a mapping, or a RowFault if it could not even be parsed."""


def rows_of(name: str, base: Path, what: str = "prompts") -> Iterator[Row]:
    """The rows of whatever ``name`` is, unread; ``what`` they hold is for messages. No row at all is an error."""
    if name == "-":
        return _some(_stdin(), f"standard input holds no {what}")
    plain, _, split = name.partition("#")
    path = base / plain
    if path.is_dir():
        return _some(_saved(path, split), f"{path} holds no {what}")
    if path.is_file():
        return _some(_file(path), f"{path} holds no {what}")
    if _is_hub_id(name):
        return _hub(plain, split)
    if any(mark in name for mark in "*?[") and next(
        base.glob(name) if not Path(name).is_absolute() else iter(()), None
    ):
        raise PromptFileError(
            f"{name}: no file of this name, and patterns are not filled in: cat {name} | … --prompts -"
        )
    raise PromptFileError(
        f"{name}: no such file or folder; {what} come from a .jsonl, .csv or .parquet file, a saved dataset, "
        "a Hub id (user/name), or - for standard input"
    )


def _file(path: Path) -> Iterator[Row]:
    if path.suffix == ".json" and (rows := _json_array(path)) is not None:
        yield from _numbered(iter(rows), path.name)
    elif path.suffix in (".jsonl", ".ndjson", ".json"):
        with _opened(path) as file:
            yield from _jsonl(file, path.name)
    elif path.suffix in (".csv", ".tsv"):
        yield from _csv(path)
    elif path.suffix == ".parquet":
        yield from _parquet(path)
    else:
        raise PromptFileError(f"{path}: unknown kind of file {path.suffix!r}: use .jsonl, .csv or .parquet")


def _some(rows: Iterator[Row], nothing: str) -> Iterator[Row]:
    empty = True
    for row in rows:
        empty = False
        yield row
    if empty:
        raise PromptFileError(f"{nothing}: it is empty")


def _json_array(path: Path) -> list[Any] | None:
    """The rows of a file that is one JSON array; None for one object a line, which some call ``.json`` too."""
    with _opened(path) as file:
        if not file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
            return None
        file.seek(0)
        try:
            rows: list[Any] = json.loads(file.read().decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise PromptFileError(f"{path}: not a JSON array: {error}") from error
    return rows


def _opened(path: Path) -> Any:
    try:
        return path.open("rb")
    except OSError as error:
        raise PromptFileError(f"{path}: {error.strerror}") from error


def _stdin() -> Iterator[Row]:
    """Not by Python's own reader of it: that is closed as the process ends, which fails where a thread still reads."""
    try:
        number = os.dup(sys.stdin.fileno())
    except (OSError, AttributeError):  # it is none of the system's: a test's, or a notebook's
        yield from _jsonl(sys.stdin.buffer, "stdin")
        return
    with open(number, "rb") as own:
        yield from _jsonl(own, "stdin")


def _jsonl(file: Iterable[bytes], name: str) -> Iterator[Row]:
    for number, line in enumerate(file, 1):
        source = f"{name}:{number}"
        if not line.strip():
            continue
        try:
            yield source, json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        except UnicodeDecodeError as error:
            yield (
                source,
                RowFault(source, f"not UTF-8: byte 0x{line[error.start]:02x} at column {error.start + 1}"),
            )
        except json.JSONDecodeError as error:
            yield source, RowFault(source, f"not JSON: {error.msg} at column {error.colno}")
        except (RecursionError, ValueError) as error:
            yield source, RowFault(source, f"not JSON: {error}")


def _csv(path: Path) -> Iterator[Row]:
    csv.field_size_limit(2**31 - 1)
    try:
        with io.TextIOWrapper(_opened(path), encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else _delimiter(head))
            for row in reader:
                values: dict[str, Any] = {key: value for key, value in row.items() if key and value not in ("", None)}
                if "tags" in values:
                    values["tags"] = [tag.strip() for tag in values["tags"].replace(";", ",").split(",") if tag.strip()]
                yield f"{path.name}:{reader.line_num}", values
    except UnicodeDecodeError as error:
        raise PromptFileError(f"{path}: not UTF-8 at byte {error.start}: save it as UTF-8") from error
    except csv.Error as error:
        raise PromptFileError(f"{path}: not valid CSV: {error}") from error


def _delimiter(head: str) -> str:
    """What stands between the names of the columns: spreadsheets of many countries put semicolons there."""
    bare = re.sub(r'"[^"]*"', "", head)
    return max(",;\t", key=bare.count)


def _parquet(path: Path) -> Iterator[Row]:
    return _numbered(tables.parquet(path, PromptFileError), path.name)


def _saved(path: Path, split: str) -> Iterator[Row]:
    """A folder written by ``datasets``: its Arrow files, read without needing ``datasets``; or a folder of Parquet."""
    folder = path / split if split else path
    choices = path / "dataset_dict.json"
    if choices.is_file():
        names = json.loads(choices.read_text())["splits"]
        if split and split not in names:
            raise PromptFileError(
                f"{path} has the splits {', '.join(names)}: there is no {split!r}{near_matches(split, names)}"
            )
        if not split and len(names) > 1:
            raise PromptFileError(f"{path} has the splits {', '.join(names)}: name one, as in {path.name}#{names[0]}")
        folder = path / (split or names[0])
    state = folder / "state.json"
    if state.is_file():
        files = [folder / item["filename"] for item in json.loads(state.read_text())["_data_files"]]
        return _numbered(tables.arrow(files, PromptFileError), folder.name)
    parquets = sorted(folder.glob("*.parquet"))
    if parquets:
        return (row for file in parquets for row in _parquet(file))
    raise PromptFileError(f"{folder}: neither a dataset saved by `datasets` nor a folder of .parquet files")


def _hub(name: str, split: str) -> Iterator[Row]:
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError.naming("datasets", "hub") from error
    tables.quiet_hub()
    try:
        rows = datasets.load_dataset(name, split=split or "train", streaming=True)
        yield from _numbered(iter(rows), name)
    except Exception as error:
        problem = f"{name}: no such file or folder here; from the Hub it cannot be read: {first_line(error)}"
        raise PromptFileError(problem) from error


def _numbered(rows: Iterator[Any], name: str) -> Iterator[Row]:
    return ((f"{name}:{number}", row) for number, row in enumerate(rows, 1))


def _is_hub_id(name: str) -> bool:
    owner, slash, rest = name.partition("#")[0].partition("/")
    plain = owner.replace("-", "").replace("_", "").replace(".", "")
    return bool(slash) and plain.isalnum() and bool(rest) and "/" not in rest and not Path(rest).suffix
