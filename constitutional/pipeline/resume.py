"""Prompts read ahead, each with what an earlier session made of it: resume = run again."""

from __future__ import annotations

import itertools
from collections.abc import Generator
from dataclasses import dataclass

from constitutional.core.records import Prompt, Reason, Reject
from constitutional.ledger import LedgerView
from constitutional.pipeline.prompt_filters import PromptFilters
from constitutional.pipeline.rows import RowFault
from constitutional.pipeline.setup import Assembly

LOOK_BACK = 1000
"""Finished prompts looked up at once on resume."""
RETRIED = (
    "server_error",
    "overloaded",
    "timeout",
    "connection",
    "malformed_reply",
    "batch_expired",
    Reason.PLUGIN_FAILED,
)
"""Failures that the next session tries again. A refused request would only be refused again."""


@dataclass(frozen=True, slots=True)
class Done:
    """What an earlier session knows of a finished prompt."""

    state: str
    pairs: int
    reasons: list[str]
    failed: bool


@dataclass(frozen=True, slots=True)
class Next:
    """A row as it was read, and what is known of it before anything is asked."""

    row: Prompt | RowFault
    done: Done | None = None
    """What an earlier session made of it, if that holds."""
    refusal: Reject | None = None
    """Why it is not asked about."""


class Ahead:
    """The rows of a run in their order. ``first``: no session was before this one."""

    def __init__(
        self, rows: Generator[Prompt | RowFault, None, None], assembly: Assembly, view: LedgerView, *, first: bool
    ) -> None:
        self._rows = rows
        self._assembly = assembly
        self._filters = PromptFilters(assembly.prompt_filters)
        self._view = view
        self._first = first

    def next_batch(self) -> list[Next]:
        """Read some rows and look up which are finished already: in a thread, the event loop goes on meanwhile."""
        batch = list(itertools.islice(self._rows, LOOK_BACK))
        known = self._known([row.id for row in batch if isinstance(row, Prompt)])
        return [self._looked_at(row, known) for row in batch]

    def close(self) -> None:
        self._rows.close()

    def _looked_at(self, row: Prompt | RowFault, known: dict[str, Done]) -> Next:
        if isinstance(row, RowFault):
            return Next(row)
        refusal, done = self._filters.refusal(row), known.get(row.id)
        if done is not None:
            again = done.failed and any(reason in RETRIED for reason in done.reasons)
            if again or done.state != self._assembly.state(row, refusal):
                done = None
        return Next(row, done, refusal)

    def _known(self, ids: list[str]) -> dict[str, Done]:
        if self._first:
            return {}
        marks = ",".join("?" * len(ids))
        rows = self._view.rows(
            "SELECT t.prompt_id, t.state, t.pairs, t.status,"
            " (SELECT group_concat(reason) FROM rejects r WHERE r.prompt_id = t.prompt_id)"
            f" FROM traces t WHERE t.prompt_id IN ({marks})",
            *ids,
        )
        return {
            prompt_id: Done(state, pairs, reasons.split(",") if reasons else [], status == "failed")
            for prompt_id, state, pairs, status, reasons in rows
        }
