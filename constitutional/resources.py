"""Where the shipped data is: inside the package of a wheel, beside it in a checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def data_folder(kind: str) -> Path:
    """``constitutions`` or ``prompts``."""
    package = Path(__file__).parent
    installed = package / "_data" / kind
    return installed if installed.is_dir() else package.parent / kind


def shipped_names(kind: str, suffix: str) -> tuple[str, ...]:
    """``critique/check`` for ``prompts/critique/check.jinja``; names that start with ``_`` are parts, not names."""
    folder = data_folder(kind)
    files = sorted(folder.rglob(f"*{suffix}"))
    return tuple(
        file.relative_to(folder).as_posix().removesuffix(suffix) for file in files if not file.name.startswith("_")
    )
