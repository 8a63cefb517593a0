"""What a full disk looks like through the libraries that write a training."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import pytest
import torch

from constitutional.errors import RunStoppedError, UsageError
from constitutional.training.room import on_a_full_disk


class Full(io.RawIOBase):
    """A file on a disk with so much room."""

    def __init__(self, room: int) -> None:
        self._room = room

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        size = len(memoryview(data))  # type: ignore[arg-type]
        if size > self._room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._room -= size
        return size


@pytest.mark.parametrize("room", [10, 1000, 3900])
def test_a_checkpoint_that_torch_could_not_write(room: int) -> None:
    """Wherever in its file the disk was full: what torch says then is of positions in a zip."""
    said = r"^out\.part: no space left on the disk; make room and run the same"
    with pytest.raises(RunStoppedError, match=said), on_a_full_disk(Path("out.part")):
        torch.save({"weights": torch.zeros(700)}, Full(room))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_checkpoint_on_a_device_that_is_full() -> None:
    with pytest.raises(RunStoppedError), on_a_full_disk(Path("out.part")):
        torch.save({"weights": torch.zeros(700)}, "/dev/full")
    with pytest.raises(RunStoppedError), on_a_full_disk(Path("out.part")), open("/dev/full", "w") as file:
        file.write("a log")


def test_other_errors_are_left_alone() -> None:
    for error in (ValueError("no"), PermissionError(errno.EACCES, "no"), UsageError("no")):
        with pytest.raises(type(error)), on_a_full_disk(Path("out.part")):
            raise error
