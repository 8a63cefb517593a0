"""A run's folder: run.db, config.yaml, dataset/, logs/; and the lock that keeps a second process out."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType

from constitutional.errors import LedgerError, UsageError
from constitutional.whole import writing


class RunFolder:
    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def ledger(self) -> Path:
        return self.path / "run.db"

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def dataset(self) -> Path:
        return self.path / "dataset"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def started(self) -> bool:
        """Whether a run has begun here. An empty file is what a process killed at its very beginning leaves."""
        return self.ledger.exists() and self.ledger.stat().st_size > 0

    def create(self) -> None:
        with writing(self.path):
            if self.path.is_file():
                raise UsageError(f"{self.path} is a file: choose another --out folder")
            self.logs.mkdir(parents=True, exist_ok=True)

    def fresh(self) -> RunFolder:
        """This folder if it holds no run, else the first free ``NAME-2``, ``NAME-3``, …: nothing is ever deleted."""
        folder, number, path = self, 1, self.path if self.path.name else self.path.absolute()
        while folder.started:
            number += 1
            folder = RunFolder(path.with_name(f"{path.name}-{number}"))
        return folder

    def lock(self) -> RunLock:
        return RunLock(self.path / ".lock")


class RunLock:
    """Held by the open file, so a dead process never keeps it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1

    def __enter__(self) -> RunLock:
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise LedgerError(
                f"{self._path.parent} cannot be written: {error.strerror}; copy it to where it can, or choose another "
                "folder with --out"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(self._file, 32).decode(errors="replace").strip()
            os.close(self._file)
            raise LedgerError(
                f"{self._path.parent} is in use by another process{owner and f' (pid {owner})'}: "
                "wait for it, stop it, or choose another --out folder"
            ) from error
        with contextlib.suppress(OSError):  # on a full disk nobody is told by whom it is held
            os.ftruncate(self._file, 0)
            os.write(self._file, str(os.getpid()).encode())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)
