"""A run folder as whatever looks at it sees it: its settings, its constitution, its traces one by one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from constitutional.config.run import RunConfig, read_run
from constitutional.core.codec import from_json
from constitutional.core.constitution import Constitution
from constitutional.core.records import Trace
from constitutional.errors import LedgerError, UsageError
from constitutional.ledger import LedgerView, RunFolder, Sifted
from constitutional.ledger.ledger import CURRENT


@dataclass(frozen=True)
class OpenRun:
    folder: RunFolder
    view: LedgerView

    @cached_property
    def config(self) -> RunConfig:
        return RunConfig.model_validate(json.loads(self._saved("config")))

    @cached_property
    def constitution(self) -> Constitution:
        """The one in force when the run was made, whatever its file says now."""
        return from_json(Constitution, self._saved("constitution"))

    def settings(self) -> tuple[RunConfig, Path]:
        """To assemble the run again: by its `config.yaml`, whose paths are whole, else by the ledger alone; and the folder
        that other paths start from."""
        if self.folder.config.is_file():
            return read_run(self.folder.config), self.folder.path
        return self.config, Path.cwd()

    def demand_one(self) -> None:
        """Refuse what was merged of several runs: they have no settings in common."""
        if self.view.meta("merged") is not None:
            raise UsageError(f"{self.folder.path} was merged of several runs: give one of these")

    def placed(self) -> Iterator[tuple[int, Trace]]:
        """What the run's dataset is made of, each with its place among the prompts, before filters of the whole run."""
        return ((position, from_json(Trace, body)) for position, body in self.view.traces("position, body"))

    def traces(self) -> Iterator[Trace]:
        """The same without their places, and with those pairs as rejects that the filters of the whole run dropped."""
        sifted = Sifted(self.view)
        return (sifted.apply(trace) for _, trace in self.placed())

    def traces_of(self, prompt_id: str, most: int) -> Iterator[Trace]:
        """Of prompts whose id begins so, also where the last session had others. The exact id comes first."""
        rows = self.view.rows(
            f"SELECT body FROM traces WHERE {CURRENT} AND substr(prompt_id, 1, ?) = ?"
            " ORDER BY prompt_id != ?, position LIMIT ?",
            self.view.meta("plan"),
            len(prompt_id),
            prompt_id,
            prompt_id,
            most,
        )
        sifted = Sifted(self.view)
        return (sifted.apply(from_json(Trace, body)) for (body,) in rows)

    def some_ids(self) -> list[str]:
        return [name for (name,) in self.view.rows("SELECT prompt_id FROM traces ORDER BY position LIMIT 5")]

    def _saved(self, key: str) -> str:
        saved = self.view.meta(key)
        if saved is None:
            raise LedgerError(f"{self.folder.path} holds no run with its {key}: make it with `constitutional generate`")
        return saved


@contextmanager
def open_run(path: Path) -> Iterator[OpenRun]:
    folder = RunFolder(path)
    with LedgerView(folder.ledger) as view:
        yield OpenRun(folder, view)
