"""Rows to files: Parquet in shards, and the same as Arrow beside it, in batches, so that memory does not grow with rows.

Every row gets an ``id``, the digest of all its other columns: whoever reads it back can tell that it is as it was
written, however the files were cut."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from constitutional.dataset.rows import ID, SUBSETS, Row

BATCH_ROWS = 1000
BATCH_BYTES = 16 << 20
SHARD_BYTES = 256 << 20
"""Of JSON text, which is a fraction of that on disk: a shard is what an interrupted upload repeats."""
ARROW = "data-00000-of-00001.arrow"


class Shards:
    """The files of all subsets in a folder. Complete, with their final names, when the ``with`` block ends well."""

    def __init__(self, folder: Path, schemas: Mapping[str, Any], shard_bytes: int = SHARD_BYTES) -> None:
        self._folder = folder
        self._schemas = schemas
        self._shard_bytes = shard_bytes
        self._open = {(subset, "train"): self._split(subset, "train") for subset in SUBSETS}

    def __enter__(self) -> Shards:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for split in self._open.values():
            split.close(complete=kind is None)
        if kind is None:
            for subset in SUBSETS:
                self._describe(subset)

    def add(self, subset: str, split: str, row: Row) -> None:
        key = (subset, split)
        if key not in self._open:
            self._open[key] = self._split(subset, split)
        self._open[key].add(row)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Subset → split → rows."""
        found: dict[str, dict[str, int]] = {subset: {} for subset in SUBSETS}
        for (subset, split), files in self._open.items():
            found[subset][split] = files.rows
        return found

    @property
    def digests(self) -> dict[str, dict[str, str]]:
        """Subset → split → digest of the ids of its rows, in order."""
        found: dict[str, dict[str, str]] = {subset: {} for subset in SUBSETS}
        for (subset, split), files in self._open.items():
            found[subset][split] = files.content.hexdigest()
        return found

    @property
    def rows_in(self) -> dict[str, int]:
        """Path in the folder → rows, of every file of rows."""
        return {path: rows for files in self._open.values() for path, rows in files.rows_in.items()}

    @property
    def runs(self) -> dict[str, Counter[str]]:
        """Run → subset → rows."""
        found: dict[str, Counter[str]] = {}
        for (subset, _), files in self._open.items():
            for run, rows in files.runs.items():
                found.setdefault(run, Counter())[subset] += rows
        return found

    def _split(self, subset: str, split: str) -> _Split:
        return _Split(self._folder, subset, split, self._schemas[subset], self._shard_bytes)

    def _describe(self, subset: str) -> None:
        """What ``datasets.load_from_disk`` looks for."""
        digests = self.digests[subset]
        (self._folder / subset / "dataset_dict.json").write_text(json.dumps({"splits": list(digests)}))
        for split, content in digests.items():
            state: Row = {
                "_data_files": [{"filename": ARROW}],
                "_fingerprint": content[:16],
                "_format_columns": None,
                "_format_kwargs": {},
                "_format_type": None,
                "_output_all_columns": False,
                "_split": split,
            }
            (self._folder / subset / split / "state.json").write_text(json.dumps(state, indent=2))
            (self._folder / subset / split / "dataset_info.json").write_text("{}")


class _Split:
    """One split of one subset."""

    def __init__(self, folder: Path, subset: str, split: str, schema: Any, shard_bytes: int) -> None:
        import pyarrow as pa

        self.rows = 0
        self.rows_in: dict[str, int] = {}
        self.runs: Counter[str] = Counter()
        self.content = blake2b(digest_size=16)
        self._folder, self._subset, self._name, self._schema = folder, subset, split, schema
        self._shard_bytes = shard_bytes
        self._text_of = text_of(schema)
        self._pending: list[bytes] = []
        self._pending_bytes = self._shard_text = 0
        self._parquet: Any = None
        self._shards: list[int] = []
        (folder / subset / split).mkdir(parents=True)
        self._arrow = pa.ipc.new_stream(str(folder / subset / split / ARROW), schema)

    def add(self, row: Row) -> None:
        text = self._text_of(row)
        name = row_id(text)
        self.rows += 1
        self.content.update(name.encode())
        self.runs[row["run"]] += 1
        line = b'{"id":"%s",%s\n' % (name.encode(), text[1:])
        self._pending.append(line)
        self._pending_bytes += len(line)
        if len(self._pending) >= BATCH_ROWS or self._pending_bytes >= BATCH_BYTES:
            self._flush()

    def close(self, *, complete: bool) -> None:
        if complete and (self._pending or not self._shards):
            self._flush()
        if self._parquet is not None:
            self._parquet.close()
        self._arrow.close()
        if complete:
            self._name_shards()

    def _flush(self) -> None:
        if self._parquet is not None and self._shard_text >= self._shard_bytes:
            self._parquet.close()
            self._parquet = None
        if self._parquet is None:
            self._parquet = self._next_shard()
        table = _table(self._pending, self._schema)
        self._parquet.write_table(table)
        self._arrow.write_table(table)
        self._shards[-1] += len(self._pending)
        self._shard_text += self._pending_bytes
        self._pending, self._pending_bytes = [], 0

    def _next_shard(self) -> Any:
        import pyarrow.parquet as pq

        self._shard_text = 0
        self._shards.append(0)
        return pq.ParquetWriter(self._part(len(self._shards) - 1), self._schema, compression="zstd")

    def _part(self, number: int) -> Path:
        return self._folder / self._subset / f"{self._name}-{number:05d}.part"

    def _name_shards(self) -> None:
        """How many there are is known only now, and stands in the name of each."""
        for number, rows in enumerate(self._shards):
            name = f"{self._name}-{number:05d}-of-{len(self._shards):05d}.parquet"
            self._part(number).rename(self._folder / self._subset / name)
            self.rows_in[f"{self._subset}/{name}"] = rows
        self.rows_in[f"{self._subset}/{self._name}/{ARROW}"] = self.rows


def row_id(text: bytes) -> str:
    return blake2b(text, digest_size=8).hexdigest()


def text_of(schema: Any) -> Callable[[Row], bytes]:
    """The one JSON text of a row: the columns of the schema in their order, without ``id``. The same for a row that was
    made just now and for the row that a Parquet file gives back."""
    names = [name for name in schema.names if name != ID]
    known = {*names, ID}
    exact = [(name, convert) for name in names if (convert := _exact(schema.field(name).type)) is not None]
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

    def text(row: Row) -> bytes:
        if not row.keys() <= known:
            raise KeyError(f"no such column: {', '.join(sorted(row.keys() - known))}")
        ordered = {name: row.get(name) for name in names}
        for name, convert in exact:
            ordered[name] = convert(ordered[name])
        return encode(ordered).encode("utf-8", "surrogatepass")

    return text


def _exact(kind: Any) -> Callable[[Any], Any] | None:
    """What makes a value that which Arrow gives back (a whole number in a column of floats is a float); None where it
    is that already."""
    import pyarrow.types as types

    if types.is_floating(kind):
        return lambda value: None if value is None else float(value)
    if types.is_list(kind):
        inner = _exact(kind.value_type)
        return inner and (lambda values: None if values is None else [inner(value) for value in values])
    if types.is_struct(kind):
        fields = [kind.field(number) for number in range(kind.num_fields)]
        converts = {field.name: _exact(field.type) for field in fields}
        if any(converts.values()):
            return lambda value: (
                value
                and {
                    name: convert(value.get(name)) if convert else value.get(name) for name, convert in converts.items()
                }
            )
    return None


def _table(lines: list[bytes], schema: Any) -> Any:
    """Through JSON, which Arrow parses by itself: ``Table.from_pylist`` is slower, and loads pandas where it is
    installed, for nothing but sixty megabytes."""
    import pyarrow as pa
    import pyarrow.json as pj

    if not lines:
        return pa.Table.from_batches([], schema=schema)
    text = b"".join(lines)
    return pj.read_json(
        pa.BufferReader(text),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(text) + 1),
        parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
    )
