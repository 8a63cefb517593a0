"""Rows out of Arrow and Parquet files, a batch at a time. ``fault`` is what a file that is none of them is said with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from constitutional.errors import ConstitutionalError


def arrow(files: Iterable[Path], fault: type[ConstitutionalError]) -> Iterator[dict[str, Any]]:
    import pyarrow
    import pyarrow.ipc as ipc

    for file in files:
        try:
            with pyarrow.memory_map(str(file)) as data:
                for batch in ipc.open_stream(data):
                    yield from batch.to_pylist()
        except (pyarrow.ArrowInvalid, OSError) as error:
            raise fault(f"{file}: not an Arrow file: {error}") from error


def parquet(path: Path, fault: type[ConstitutionalError]) -> Iterator[dict[str, Any]]:
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        for batch in ParquetFile(path).iter_batches(batch_size=1000):
            yield from batch.to_pylist()
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise fault(f"{path}: not a Parquet file: {error}") from error


def quiet_hub() -> None:
    """The Hub's library tells of every attempt to reach a server; what came of all of them is said by us."""
    from huggingface_hub.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
