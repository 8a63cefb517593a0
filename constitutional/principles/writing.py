"""New constitution files: never over an existing one, and with what an editor needs for completion beside them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from constitutional.config.schema import SCHEMA
from constitutional.errors import UsageError
from constitutional.resources import data_folder
from constitutional.whole import write_whole, writing

MODELINE = f"# yaml-language-server: $schema={SCHEMA}\n"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def checked_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name: letters, digits, '-', '_' and '.', the first a letter or a digit")
    return name


def name_from(path: Path) -> str:
    """A name made of a file's."""
    return re.sub(r"^[^A-Za-z0-9]+|[^A-Za-z0-9]+$", "", re.sub(r"[^A-Za-z0-9_.-]+", "-", path.stem)) or "imported"


def write_new(path: Path, text: str) -> None:
    """The schema is laid beside it where none is: the first line of the file refers to it."""
    with writing(path):
        if path.exists():
            raise UsageError(f"{path} exists: give another name with --out")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
        if not (path.parent / SCHEMA).exists():
            shutil.copyfile(data_folder("constitutions") / SCHEMA, path.parent / SCHEMA)
