"""A labelling sheet: JSON lines, or CSV for a spreadsheet. It shows two answers, and nothing of who wrote or judged them.

In CSV a text that a spreadsheet would take for a formula (it begins with = + - @, a tab or a carriage return) has an
apostrophe before it; the reader takes one off again. Every cell is quoted."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from constitutional.audit.pairs import Labelled
from constitutional.audit.rows import escaped
from constitutional.core.digest import PAIR
from constitutional.errors import UsageError
from constitutional.pipeline.rows import RowFault, rows_of
from constitutional.whole import write_whole, writing

COLUMNS = ("id", "prompt", "a", "b", "label", "comment", "drawn_by", "messages")
INSTRUCTIONS = """\
How to label: read `prompt`, then the two answers `a` and `b`. Write into `label`
    a      if the first answer is better
    b      if the second is better
    tie    if you see no difference that matters
and nothing if you cannot say. Judge by what the principles below ask for and by nothing else: a longer answer is not a
better one, and the answers stand in an order that was drawn by lot. `comment` is yours. Change nothing else: `id` says
which pair it is. Several people may label: give each a copy under a name of their own.

Then:   {command}
"""


def row_of(pair: Labelled) -> dict[str, Any]:
    return {
        "id": pair.id,
        "prompt": dialogue(pair),
        "a": pair.a.text,
        "b": pair.b.text,
        "label": None,
        "comment": None,
        "drawn_by": pair.drawn_by,
        "messages": [message._asdict() for message in pair.prompt.messages],
    }


def dialogue(pair: Labelled) -> str:
    """To read; `messages` holds it exactly."""
    messages = pair.prompt.messages
    if len(messages) == 1:
        return messages[0].content
    return "\n\n".join(f"{message.role.capitalize()}: {message.content}" for message in messages)


def as_jsonl(pairs: Sequence[Labelled]) -> str:
    return "".join(json.dumps(row_of(pair), ensure_ascii=False) + "\n" for pair in pairs)


def as_csv(pairs: Sequence[Labelled]) -> str:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, COLUMNS, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writeheader()
    for pair in pairs:
        row = row_of(pair)
        row["messages"] = json.dumps(row["messages"], ensure_ascii=False)
        writer.writerow({name: escaped(value) if isinstance(value, str) else "" for name, value in row.items()})
    return file.getvalue()


def write_sheet(path: Path, pairs: Sequence[Labelled], instructions: str) -> Path:
    """Where the instructions went. A sheet that somebody has begun to fill in, and any file that is no sheet, is left as
    it is."""
    if path.suffix not in (".csv", ".jsonl"):
        raise UsageError(f"--out {path}: a sheet is a .csv or a .jsonl file")
    text = as_csv(pairs) if path.suffix == ".csv" else as_jsonl(pairs)
    beside = path.with_name(f"{path.stem}-how-to-label.txt")
    _check_free(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # The mark at the beginning tells spreadsheets that this is UTF-8.
        write_whole(path, f"\ufeff{text}" if path.suffix == ".csv" else text)
        write_whole(beside, instructions)
    return beside


def _check_free(path: Path) -> None:
    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        return
    other = f"--out {path}: choose another name:"
    if not path.is_file():
        raise UsageError(f"{other} this is a folder")
    for _, row in rows_of(str(path), Path.cwd(), "labels"):
        if isinstance(row, RowFault) or not isinstance(row, dict) or not str(row.get("id", "")).startswith(PAIR):
            raise UsageError(f"{other} it is there and is no labelling sheet")
        if row.get("label") is not None or row.get("comment") is not None:
            raise UsageError(f"{other} somebody has begun to fill in this sheet")
