"""Where the shipped data is, inside the package of a wheel or beside it in a checkout; and where caches are, of what is made
here and can be made again."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from constitutional.errors import UsageError


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


def cache_folder(kind: str) -> Path:
    """This user's, by the desktop's conventions, to which an ``XDG_CACHE_HOME`` that is no whole path is none. It may not be
    there yet."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    caches = given if os.path.isabs(given) else os.path.expanduser("~/.cache")
    if not os.path.isabs(caches):
        raise UsageError(
            "there is no home folder, and so no place for caches: set HOME, or XDG_CACHE_HOME, to the whole path of a folder"
        )
    return Path(caches, "constitutional", kind)
