"""A dataset folder, read back row by row: a run's own, one that was downloaded, in constant memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from constitutional.dataset.rows import SUBSETS, Row
from constitutional.errors import LedgerError, UsageError, first_line
from constitutional.ledger import RunFolder
from constitutional.ledger.missing import meant

SHARD = re.compile(r"(?P<split>.+)-\d{5}-of-\d{5}\.parquet")
BATCH = 1000


class DatasetFolder:
    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def find(cls, path: Path) -> DatasetFolder:
        """Of a run folder its ``dataset/``, else the folder itself."""
        run = RunFolder(path)
        if run.started and not run.dataset.is_dir():
            raise UsageError(f"{path}: this run has no dataset yet: finish it with `constitutional generate`")
        folder = cls(run.dataset if run.dataset.is_dir() else path)
        if not folder.path.is_dir():
            what = "is a file" if path.is_file() else "no such folder"
            raise UsageError(f"{path}: {what}; give a run folder or a dataset folder{meant(path)}")
        if not any(folder.splits(subset) for subset in SUBSETS):
            raise UsageError(
                f"{path}: neither a run folder nor a dataset: it holds none of {', '.join(SUBSETS)}{meant(path)}"
            )
        return folder

    def splits(self, subset: str) -> list[str]:
        """``train`` first."""
        found = {
            match["split"] for path in (self.path / subset).glob("*.parquet") if (match := SHARD.fullmatch(path.name))
        }
        return sorted(found, key=lambda split: (split != "train", split))

    def shards(self, subset: str, split: str) -> list[Path]:
        return sorted(
            path
            for path in (self.path / subset).glob(f"{split}-*.parquet")
            if (match := SHARD.fullmatch(path.name)) and match["split"] == split
        )

    def count(self, subset: str, split: str) -> int:
        return sum(_parquet(path).metadata.num_rows for path in self.shards(subset, split))

    def rows(self, subset: str, split: str) -> Iterator[Row]:
        for shard in self.shards(subset, split):
            yield from rows_of_file(shard)


def rows_of_file(path: Path) -> Iterator[Row]:
    import pyarrow as pa

    file = _parquet(path)
    try:
        for batch in file.iter_batches(batch_size=BATCH, use_threads=False):
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise LedgerError(f"{path}: damaged: {first_line(error)}") from error
    finally:
        file.close()


def _parquet(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, memory_map=False, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise LedgerError(f"{path}: not a Parquet file: {first_line(error)}") from error


def schema_of_file(path: Path) -> Any:
    with _parquet(path) as file:
        return file.schema_arrow
