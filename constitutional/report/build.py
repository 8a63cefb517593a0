"""Folders to a report: which kind each is, its part, and all of them on one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from constitutional.errors import UsageError
from constitutional.ledger import RunFolder
from constitutional.ledger.missing import meant
from constitutional.pipeline.opened import open_run
from constitutional.report.figures import Part
from constitutional.report.of_evaluation import EVALUATION, evaluation_part
from constitutional.report.of_run import run_part
from constitutional.report.of_training import training_part
from constitutional.training.folder import RECORD


def parts_of(paths: Sequence[Path]) -> list[Part]:
    return [_part(path) for path in paths]


def _part(path: Path) -> Part:
    if path.name == EVALUATION and path.is_file():
        return evaluation_part(path)
    if not path.exists():
        raise UsageError(f"{path}: no such folder; give a run, an evaluation or a training{meant(path)}")
    if (path / EVALUATION).is_file():
        return evaluation_part(path / EVALUATION)
    if (path / RECORD).is_file():
        return training_part(path)
    if RunFolder(path).started:
        with open_run(path) as run:
            return run_part(run)
    raise UsageError(
        f"{path}: no run (run.db), no evaluation ({EVALUATION}) and no training ({RECORD}); give the folder that "
        f"`generate`, `evaluate` or `train` wrote{meant(path)}"
    )


def beside(path: Path) -> Path:
    """Where a report goes that is given no place."""
    return path.with_name("report.html") if path.is_file() else path / "report.html"
