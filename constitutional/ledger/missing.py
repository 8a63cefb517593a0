"""A folder that is taken for a run and is none: what it is, and which run was meant."""

from __future__ import annotations

from pathlib import Path

from constitutional.errors import UsageError, near_matches

MOST = 6
"""Of runs that are named where none is alike: more are no help."""


def no_run(folder: Path) -> UsageError:
    """``nowhere is no run folder: there is no such folder; did you mean 'runs/demo'?``"""
    if folder.is_file():
        return UsageError(f"{folder} is no run folder: it is a file{meant(folder)}")
    why = "it has no run.db" if folder.is_dir() else "there is no such folder"
    hint = meant(folder) or "; `constitutional generate` makes one"
    return UsageError(f"{folder} is no run folder: {why}{hint}")


def meant(folder: Path) -> str:
    """``; did you mean …?`` with the runs inside or around it, else those that are alike in name, else nothing."""
    close = [path for path in (*folder.glob("*/run.db"), *folder.glob("*/*/run.db")) if path.is_file()]
    close += [path / "run.db" for path in folder.parents if (path / "run.db").is_file()][:1]
    if close:
        names = sorted(str(path.parent) for path in close)
        return f"; did you mean {' or '.join(map(repr, names[:3]))}?"
    beside = {str(path.parent) for place in {folder.parent, Path("runs")} for path in place.glob("*/run.db")}
    found = near_matches(str(folder), beside)
    return found if "did you mean" in found or len(beside) <= MOST else ""
