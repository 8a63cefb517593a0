"""The runs that the viewer shows: each with its ledger, its index, its labels, and a thread that follows it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

from constitutional.core.codec import from_json
from constitutional.core.constitution import Constitution
from constitutional.core.records import Trace
from constitutional.errors import LedgerError
from constitutional.ledger import RunFolder, Sifted
from constitutional.ledger.labels import LabelFile
from constitutional.pipeline.opened import OpenRun, open_run
from constitutional.view.indexing import Index
from constitutional.view.listing import Lister
from constitutional.view.placing import FAULTS, first_that_works, standing
from constitutional.view.schema import read_index

LOOK_EVERY = 0.5
"""Seconds between two looks at a ledger; a look at one that has not changed costs a few microseconds."""
AT_ONCE = 4_000
"""Traces read before the page is there; the rest while it is shown."""
STILL = "the list stands still"


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
        self._place = path
        """Of the index; known when it can be read."""
        self._fault: Exception | None = None
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
        if self._fault is not None:
            raise LedgerError(f"{self.path}: {self._fault}") from self._fault

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _follow(self) -> None:
        with ExitStack() as stack:
            stack.callback(self._ready.set)
            try:
                index, self._place = first_that_works(self.path, stack, self._begun)
            except FAULTS as error:
                self.reading = False
                there = standing(self.path)
                if there is None:
                    self._fault = error
                else:
                    self._place, self.problem = there, f"{STILL}: {error}"
                return
            stack.callback(index.close)
            self._ready.set()
            try:
                while not self._stop.wait(0 if self.reading else LOOK_EVERY):
                    self.reading = index.sync(AT_ONCE) >= AT_ONCE
            except FAULTS as error:
                self.reading, self.problem = False, f"{STILL}: {error}"
                self._stop.wait()  # what was read can be seen as long as the page is there

    def _begun(self, place: Path) -> Index:
        index = Index(RunFolder(self.path).ledger, place)
        try:
            self.reading = index.sync(AT_ONCE) >= AT_ONCE
        except BaseException:
            index.close()
            raise
        return index

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
