"""Streams the traces of a run, as they finish, to wherever CONSTITUTIONAL_TRACE_STREAM says:

    jsonl             traces.jsonl in the run folder        jsonl:FILE     another file
    wandb:PROJECT     Weights & Biases                      trackio:PROJECT

What it shows: observers. They need no registration, hear every run of whoever installed them, and so do nothing unless they
were asked to. One that fails is reported once and stops nothing."""

from __future__ import annotations

import os
from pathlib import Path

from constitutional import RunInfo, RunResult, Trace, hookimpl
from constitutional_trace_stream.figures import Figures
from constitutional_trace_stream.sinks import Sink, open_sink

plugin_api = (1, 0)
VARIABLE = "CONSTITUTIONAL_TRACE_STREAM"
_open: list[tuple[Sink, Figures]] = []
"""Of the run in progress: a process makes one at a time."""


@hookimpl
def run_started(run: RunInfo, folder: Path) -> None:
    _close()
    wanted = os.environ.get(VARIABLE, "")
    if wanted:
        _open.append((open_sink(wanted, run, folder), Figures()))


@hookimpl
def trace_finished(trace: Trace) -> None:
    for sink, figures in _open:
        figures.add(trace)
        sink.trace(trace, figures.now())


@hookimpl
def run_finished(run: RunInfo, result: RunResult) -> None:
    for sink, _ in _open:
        sink.end(result)
    _close()


def _close() -> None:
    while _open:
        _open.pop()[0].close()
