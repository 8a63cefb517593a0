"""Filters that look at the pairs of a whole run: when it ends, in the order of the prompts, whatever finished first."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from constitutional.core.codec import from_json
from constitutional.core.records import Drop, Pair, Reject, Trace
from constitutional.errors import PluginError, blame
from constitutional.ledger import LedgerView, RunFolder, Sifted, create_or_check, record_sifted
from constitutional.ledger.sifted import Drops
from constitutional.roles import SetFilter, SurveyFilter

Traces = Callable[[], Iterable[Trace]]
"""The same traces in the same order whenever it is called."""


def sift(traces: Traces, filters: Sequence[SetFilter]) -> Iterator[tuple[Trace, Drops]]:
    """Each trace, with which of its pairs are dropped and why. Each filter sees what those before it keep; one that
    surveys costs one more pass over the traces."""
    groups = _passes(filters)
    dropped: dict[int, Drop] = {}
    for group, following in itertools.pairwise(groups):
        for number, pair, trace in _pairs(traces()):
            if number in dropped:
                continue
            found = _first(group, pair, trace)
            if found is not None:
                dropped[number] = found
            elif isinstance(following[0], SurveyFilter):
                _survey(following[0], pair, trace)
    number = 0
    for trace in traces():
        drops: Drops = {}
        for n, pair in enumerate(trace.pairs):
            known = dropped[number] if number in dropped else _first(groups[-1], pair, trace)
            if known is not None:
                drops[n] = Reject.of(trace.prompt.id, known, f"{pair.chosen.id} over {pair.rejected.id}")
            number += 1
        yield trace, drops


def sift_run(folder: RunFolder, filters: Sequence[SetFilter], *, complete: bool) -> Counter[str]:
    """Decides which pairs of a run are dropped, and records it in the ledger: how many, by reason. ``complete`` takes the
    prompts of the last session; otherwise whatever is finished under the present plan is sifted."""
    counts: Counter[str] = Counter()
    with LedgerView(folder.ledger) as view:
        if not filters and not Sifted(view).any:
            return counts

        def traces() -> Iterator[Trace]:
            return (from_json(Trace, body) for (body,) in view.traces("body", complete=complete))

        def drops() -> Iterator[tuple[str, Drops]]:
            for trace, found in sift(traces, filters):
                counts.update(reject.reason for reject in found.values())
                yield trace.prompt.id, found

        record_sifted(folder.ledger, drops())
    create_or_check(folder.ledger)  # the last connection that may write folds the write-ahead log into run.db
    return counts


def _passes(filters: Sequence[SetFilter]) -> list[list[SetFilter]]:
    """Filters that one pass can do: each one that surveys begins a new pass, after one over what is before it."""
    groups: list[list[SetFilter]] = [[]]
    for each in filters:
        if isinstance(each, SurveyFilter):
            groups.append([])
        groups[-1].append(each)
    return groups


def _pairs(traces: Iterable[Trace]) -> Iterator[tuple[int, Pair, Trace]]:
    number = 0
    for trace in traces:
        for pair in trace.pairs:
            yield number, pair, trace
            number += 1


def _first(filters: Sequence[SetFilter], pair: Pair, trace: Trace) -> Drop | None:
    """Why the first of them that drops the pair does so."""
    for each in filters:
        try:
            found = each.sift(pair, trace)
        except Exception as error:
            raise _broken(each, error) from error
        if found is not None:
            return Drop(found) if isinstance(found, str) else found
    return None


def _survey(each: SurveyFilter, pair: Pair, trace: Trace) -> None:
    try:
        each.survey(pair, trace)
    except Exception as error:
        raise _broken(each, error) from error


def _broken(each: SetFilter, error: Exception) -> PluginError:
    """There is no one prompt that a broken filter of the run could cost: no dataset is written."""
    who = "" if isinstance(error, PluginError) else f"{type(each).__name__}: "
    return PluginError(f"a filter of the run failed: {who}{blame(error)}")
