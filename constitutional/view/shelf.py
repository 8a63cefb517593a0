"""The runs that the viewer shows: each with its ledger, its index, its labels, and a thread that follows it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

from constitutional.core.codec import from_json
from constitutional.core.constitution import Constitution
from constitutional.core.records import Trace
from constitutional.errors import ConstitutionalError, LedgerError, UsageError
from constitutional.ledger import RunFolder, Sifted
from constitutional.ledger.labels import LabelFile
from constitutional.pipeline.opened import OpenRun, open_run
from constitutional.view.indexing import Index
from constitutional.view.listing import Lister
from constitutional.view.schema import place, read_index

LOOK_EVERY = 0.5
"""Seconds between two looks at a ledger; a look at one that has not changed costs a few microseconds."""
AT_ONCE = 4_000
"""Traces read before the page is there; the rest while it is shown."""


class Shelved:
    """One run. Everything but ``follow`` is used from the server's threads, each with connections of its own."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self.labels = LabelFile.of(path)
        self.problem = ""
        """Why the index does not follow the run any more."""
        self.reading = True
        """Whether there are traces that the index has not read."""
        self._place = place(path)
        self._own = threading.local()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"view-{name}", daemon=True)
        self._ready = threading.Event()
        with open_run(path) as run:
            _constitution(run.view.meta("constitution") or _none(path))

    def start(self) -> None:
        """Returns when the index can be read."""
        self._thread.start()
        self._ready.wait()
        if self.problem:
            raise UsageError(self.problem)

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _follow(self) -> None:
        try:
            index = Index(RunFolder(self.path).ledger, self._place)
        except (ConstitutionalError, sqlite3.Error) as error:
            self.problem = f"{self.path}: {error}"
            self._ready.set()
            return
        try:
            while not self._stop.is_set():
                read = index.sync(AT_ONCE)
                self.reading = read >= AT_ONCE
                self._ready.set()
                if not self.reading:
                    self._stop.wait(LOOK_EVERY)
        except (ConstitutionalError, sqlite3.Error) as error:
            self.problem = f"the list stands still: {error}"
        finally:
            self._ready.set()
            index.close()

    @property
    def lister(self) -> Lister:
        return Lister(self._index())

    @property
    def run(self) -> OpenRun:
        """A reader of the ledger for this thread."""
        if not hasattr(self._own, "run"):
            self._own.context = open_run(self.path)
            self._own.run = self._own.context.__enter__()
        found: OpenRun = self._own.run
        return found

    def _index(self) -> sqlite3.Connection:
        if not hasattr(self._own, "index"):
            self._own.index = read_index(self._place)
        found: sqlite3.Connection = self._own.index
        return found

    @property
    def constitution(self) -> Constitution:
        """The one in force: a run that goes on may do so under another."""
        return _constitution(self.run.view.meta("constitution") or _none(self.path))

    def trace(self, prompt_id: str) -> Trace | None:
        view = self.run.view
        body = view.one("SELECT body FROM traces WHERE prompt_id = ?", prompt_id)
        return None if body is None else Sifted(view).apply(from_json(Trace, body))

    def status(self) -> dict[str, Any]:
        """What a page that follows the run asks for every now and then."""
        return {
            "status": self.run.view.meta("status") or self.run.view.meta("kind") or "unknown",
            "reading": self.reading,
            "problem": self.problem,
            **self.lister.kinds(),
        }


@lru_cache(16)
def _constitution(text: str) -> Constitution:
    return from_json(Constitution, text)


def _none(path: Path) -> NoReturn:
    raise LedgerError(f"{path} holds no run yet: make it with `constitutional generate`")


def shelf(paths: Sequence[Path]) -> list[Shelved]:
    """With a short name for each that no other has."""
    names: list[str] = []
    for path in paths:
        name, number = path.resolve().name or "run", 1
        while name in names:
            number += 1
            name = f"{path.resolve().name}-{number}"
        names.append(name)
    return [Shelved(path, name) for path, name in zip(paths, names, strict=True)]
