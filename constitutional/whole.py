"""Files that are whole or not there at all: what is written takes its place when it is complete, and until then, and
after a failure, what was there stays. And what is said, by every command alike, where nothing can be written."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from constitutional.errors import LedgerError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """A place that cannot be written is a failure of this machine, exit code 1, whichever command wanted to write there.
    (What stands there already and must stay is looked for before: it is a usage error, exit code 2.)"""
    try:
        yield
    except LedgerError:
        raise
    except OSError as error:
        advice = "free some space" if error.errno in FULL else "choose another place, or make this one writable"
        raise LedgerError(f"{place}: cannot be written: {_why(place, error)}; {advice}") from error


def _why(place: Path, error: OSError) -> str:
    in_the_way = next((path for path in place.parents if os.path.isfile(path)), None)
    return f"{in_the_way} is a file, no folder" if in_the_way is not None else error.strerror or str(error)


def write_whole(path: Path, text: str, errors: str = "strict") -> None:
    """``errors``: what becomes of characters that UTF-8 cannot hold."""
    with replacing(path) as file:
        file.write(text.encode("utf-8", errors))
