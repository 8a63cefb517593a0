"""A run folder as commands that look at it see it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from constitutional.config.run import RunConfig
from constitutional.core.codec import from_json
from constitutional.core.constitution import Constitution
from constitutional.core.enforcement import in_force
from constitutional.core.records import Trace
from constitutional.errors import LedgerError
from constitutional.ledger import LedgerView, RunFolder
from constitutional.pipeline.setup import read_constitution
from constitutional.plugins import PluginHost

CURRENT = "state LIKE ? || ':%'"
"""Traces of the plan that the run was last made with."""


@dataclass(frozen=True)
class OpenRun:
    folder: RunFolder
    view: LedgerView

    @cached_property
    def config(self) -> RunConfig:
        saved = self.view.meta("config")
        if saved is None:
            raise LedgerError(f"{self.folder.path} holds no run yet")
        return RunConfig.model_validate(json.loads(saved))

    @cached_property
    def constitution(self) -> Constitution:
        """The one that the run was made with, from where it was read then."""
        base = Path(self.view.meta("base") or ".")
        return in_force(read_constitution(self.config.constitution, base, PluginHost()))

    def traces(self, prompt_id: str = "", most: int = -1) -> Iterator[Trace]:
        """In the order of the prompts; of those whose id begins so. The exact id comes first."""
        rows = self.view.rows(
            f"SELECT body FROM traces WHERE {CURRENT} AND substr(prompt_id, 1, ?) = ?"
            " ORDER BY prompt_id != ?, position LIMIT ?",
            self.view.meta("plan"),
            len(prompt_id),
            prompt_id,
            prompt_id,
            most,
        )
        return (from_json(Trace, body) for (body,) in rows)

    def some_ids(self) -> list[str]:
        return [name for (name,) in self.view.rows("SELECT prompt_id FROM traces ORDER BY position LIMIT 5")]


@contextmanager
def open_run(path: Path) -> Iterator[OpenRun]:
    folder = RunFolder(path)
    with LedgerView(folder.ledger) as view:
        yield OpenRun(folder, view)
