"""A disk that fills up while a training writes: each library says it in words of its own."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from constitutional.errors import ConstitutionalError, RunStoppedError

OF_TORCH = ("PytorchStreamWriter failed", "inline_container.cc")
"""What ``torch.save`` says when it could not write all of a file."""


@contextmanager
def on_a_full_disk(folder: Path) -> Iterator[None]:
    """Whatever is being written, from the first cache to the model's card: what was written whole before stays."""
    try:
        yield
    except ConstitutionalError:
        raise
    except Exception as error:
        if not is_full(error):
            raise
        raise RunStoppedError(
            f"{folder}: no space left on the disk; make room and run the same command again: it goes on from the last "
            "checkpoint that was written"
        ) from error


def is_full(error: BaseException) -> bool:
    """Also where another error came of it, as when a file that could not be written is closed."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return True
        if any(word in str(found) for word in (os.strerror(errno.ENOSPC), *OF_TORCH)):
            return True
        found = found.__cause__ or found.__context__
    return False
