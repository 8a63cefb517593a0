"""Files that are whole or not there at all: what is written takes its place when it is complete, and until then, and
after a failure, what was there stays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, text: str, errors: str = "strict") -> None:
    """``errors``: what becomes of characters that UTF-8 cannot hold."""
    with replacing(path) as file:
        file.write(text.encode("utf-8", errors))
