"""A finished run once more, in a folder of its own, with the pairs of another strategy: no call is made."""

from __future__ import annotations

from collections.abc import Iterator

from constitutional.config.run import RunConfig
from constitutional.core.records import Reason
from constitutional.errors import LedgerError
from constitutional.ledger import LedgerView, RunFolder, TraceRow
from constitutional.ledger.copy import copy_ledger
from constitutional.ledger.rows import MetaRow, Row
from constitutional.ledger.writer import Writer
from constitutional.pipeline.run import metas
from constitutional.pipeline.run_filters import sift_run
from constitutional.pipeline.strategies.tried import Tried

INCOMPLETE = "incomplete"
REFUSED = "SELECT prompt_id, state FROM traces WHERE state LIKE '%:%:%'"
"""Prompts that were not admitted: why is part of what names their traces."""


def retell(source: RunFolder, target: RunFolder, config: RunConfig, tried: Tried) -> bool:
    """Writes the ledger of ``target``: the calls of ``source`` and the traces that were kept. It is a run like any other:
    ``generate`` goes on with it where calls are missing. Returns whether none is. The target must be locked."""
    part = target.path / ".retelling.db"
    copy_ledger(source.ledger, part)
    with LedgerView(part) as view:
        session, status = view.session, view.meta("status")
        refused = {name: state.split(":")[2] for name, state in view.rows(REFUSED)}
    if tried.calls:
        status = INCOMPLETE
    writer = Writer(part, lambda error: None)
    try:
        for row in _rows(config, tried, session, str(status), refused):
            writer.put(row)
    finally:
        writer.close()
    if writer.error is not None:
        raise LedgerError(str(writer.error))
    part.rename(target.ledger)
    complete = status == "complete"
    sift_run(target, (tried.unused or tried.assembly).run_filters, complete=complete)
    return complete


def _rows(config: RunConfig, tried: Tried, session: int, status: str, refused: dict[str, str]) -> Iterator[Row]:
    about = metas(config, tried.assembly) | {"status": status}
    yield from (MetaRow(name, value) for name, value in about.items())
    for position, trace in tried.kept or ():
        prompt = trace.prompt
        named = tried.assembly.state(prompt)
        if any(reject.reason == Reason.NOT_ASKED for reject in trace.rejects):
            named = f"{tried.assembly.plan}:{Reason.NOT_ASKED}"
        if prompt.id in refused:
            named = f"{named}:{refused[prompt.id]}"
        yield TraceRow.of(trace, named, session, position)
