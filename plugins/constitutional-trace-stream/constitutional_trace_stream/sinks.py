"""Where traces go: a file, or a tracker that speaks as `wandb` does."""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Protocol

from constitutional import ConfigError, MissingExtraError, RunInfo, RunResult, Trace

TRACKERS = ("wandb", "trackio")


class Sink(Protocol):
    def trace(self, trace: Trace, figures: Mapping[str, float]) -> None: ...

    def end(self, result: RunResult) -> None: ...

    def close(self) -> None: ...


def open_sink(wanted: str, run: RunInfo, folder: Path) -> Sink:
    """``jsonl``, ``jsonl:FILE``, ``wandb:PROJECT`` or ``trackio:PROJECT``."""
    kind, _, name = wanted.partition(":")
    if kind == "jsonl":
        return Lines(Path(name) if name else folder / "traces.jsonl")
    if kind in TRACKERS and name:
        return Tracker(kind, name, run, folder)
    raise ConfigError(
        f"CONSTITUTIONAL_TRACE_STREAM={wanted}: expected jsonl, jsonl:FILE, wandb:PROJECT or trackio:PROJECT"
    )


class Lines:
    """One JSON object a line, each written out at once: ``tail -f`` shows them. A run that goes on adds to the file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def trace(self, trace: Trace, figures: Mapping[str, float]) -> None:
        self._write({"event": "trace", "figures": dict(figures), "trace": dataclasses.asdict(trace)})

    def end(self, result: RunResult) -> None:
        self._write({"event": "run_finished", "result": dataclasses.asdict(result)})

    def close(self) -> None:
        self._file.close()

    def _write(self, value: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(value, ensure_ascii=False, default=_plain) + "\n")
        self._file.flush()


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


class Tracker:
    """Curves of the running figures; texts stay where they are. What it prints is kept out of the run's results."""

    def __init__(self, package: str, project: str, run: RunInfo, folder: Path) -> None:
        try:
            tracker = importlib.import_module(package)
        except ModuleNotFoundError as error:
            if error.name != package:
                raise ConfigError(f"{package} cannot be imported: {error}") from error
            raise MissingExtraError(f"{package} is not installed: pip install {package}") from error
        with redirect_stdout(sys.stderr):
            self._run = tracker.init(project=project, name=folder.name, config={"plan": run.plan, **run.config})

    def trace(self, trace: Trace, figures: Mapping[str, float]) -> None:
        self._run.log(dict(figures))

    def end(self, result: RunResult) -> None:
        self._run.log(
            {"final/pairs": result.pairs, "final/calls": result.calls_made, "final/failures": result.failures}
        )

    def close(self) -> None:
        with redirect_stdout(sys.stderr):
            self._run.finish()
