"""Prompts read ahead, each with what an earlier session made of it: resume = run again."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import threading
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
    """The rows of a run in their order. ``first``: no session was before this one.

    They are read in a thread of their own, which nothing waits for: a pipe or a server may give the next row never. Closing
    leaves a read that is under way to itself; the rows are then closed by the thread that reads them."""

    def __init__(
        self, rows: Generator[Prompt | RowFault, None, None], assembly: Assembly, view: LedgerView, *, first: bool
    ) -> None:
        self._rows = rows
        self._assembly = assembly
        self._filters = PromptFilters(assembly.prompt_filters)
        self._view = view
        self._first = first
        self._lock = threading.Lock()
        self._reading = self._closed = False

    def next_batch(self) -> asyncio.Future[list[Next]]:
        """Some rows more, and which of them are finished already; none at their end. One at a time."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Next]] = loop.create_future()

        def read() -> None:
            try:
                settle = functools.partial(_settle, future, self._next_batch(), None)
            except BaseException as error:  # whatever it is, who waits is told
                settle = functools.partial(_settle, future, [], error)
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
                loop.call_soon_threadsafe(settle)

        self._reading = True
        threading.Thread(target=read, name="prompts", daemon=True).start()
        return future

    def close(self) -> None:
        """After this the view may be closed."""
        with self._lock:
            self._closed = True
            if self._reading:
                return
        self._rows.close()

    def _next_batch(self) -> list[Next]:
        batch = list(itertools.islice(self._rows, LOOK_BACK))
        with self._lock:
            self._reading = False
            if self._closed:
                self._rows.close()
                return []
            known = self._known([row.id for row in batch if isinstance(row, Prompt)])
        return [self._looked_at(row, known) for row in batch]

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


def _settle(future: asyncio.Future[list[Next]], batch: list[Next], error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(batch)
    else:
        future.set_exception(error)
