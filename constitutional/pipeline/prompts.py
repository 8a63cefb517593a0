"""Prompts from rows, each dialogue once. A row that is no prompt is a ``RowFault`` with its place."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from constitutional.core.plain import mended
from constitutional.core.records import Message, Messages, Prompt, Reason
from constitutional.errors import near_matches
from constitutional.pipeline.rows import RowFault, rows_of

ROLES = ("system", "user", "assistant")
LONGEST_SHOWN = 60


def read_prompts(
    name: str, base: Path | None = None, limit: int | None = None
) -> Generator[Prompt | RowFault, None, None]:
    """Every prompt once, in order; the same dialogue again is a fault with the reason ``duplicate_prompt``. Nothing is read
    behind the last of ``limit`` prompts: a pipe may stay open."""
    seen, found = Seen(), 0
    for source, row in rows_of(name, base or Path.cwd()):
        prompt = row if isinstance(row, RowFault) else prompt_of(row, source)
        prompt = prompt if isinstance(prompt, RowFault) else seen.check(prompt)
        yield prompt
        found += isinstance(prompt, Prompt)
        if found == limit:
            return


SHAREGPT = "ShareGPT's `conversations` of `from` and `value` are `messages` of `role` and `content` here"


def check_prompts(name: str, base: Path | None = None) -> None:
    """Raise what would stop the reading at its beginning, before a run folder is made for nothing."""
    if name != "-":
        next(rows_of(name, base or Path.cwd()), None)


def count_prompts(name: str, base: Path | None = None) -> int | None:
    """How many rows there are, where that is cheap to know: for the time left."""
    path = (base or Path.cwd()) / name
    if not path.is_file():
        return None
    if path.suffix == ".parquet":
        import pyarrow.parquet as parquet

        rows: int = parquet.read_metadata(path).num_rows
        return rows
    if path.suffix in (".jsonl", ".ndjson"):
        with path.open("rb") as file:
            return sum(1 for line in file if line.strip())
    return None


def prompt_of(row: Any, source: str) -> Prompt | RowFault:
    if not isinstance(row, Mapping):
        return RowFault(source, f"expected an object with `prompt` or `messages`, this is {_shown(row)}")
    field = "prompt" if row.get("messages") is None else "messages"
    given = row.get(field)
    if given is None:
        null = next((name for name in ("prompt", "messages") if name in row), None)
        return RowFault(source, f"`{null}` is null" if null else f"no `prompt` and no `messages`; {_fields_hint(row)}")
    messages = _messages(given, field)
    if isinstance(messages, str):
        return RowFault(source, messages)
    if isinstance(row.get("system"), str) and messages[0].role != "system":
        messages = (Message("system", mended(row["system"])), *messages)
    reference = row.get("reference")
    if messages[-1].role == "assistant":
        reference = reference if isinstance(reference, str) else messages[-1].content
        messages = messages[:-1]
    if not messages or messages[-1].role != "user":
        return RowFault(source, "the dialogue has no user message to answer at its end")
    if not messages[-1].content.strip():
        return RowFault(source, "the prompt is empty")
    tags = _tags(row.get("tags"))
    if tags is None:
        return RowFault(source, f"`tags` must be a list of texts, this is {_shown(row.get('tags'))}")
    given_id = row.get("id")
    name = mended(str(given_id)) if isinstance(given_id, str | int) and str(given_id) else Prompt.id_of(messages)
    return Prompt(name, messages, tags, mended(reference) if isinstance(reference, str) else None, source)


class Seen:
    """Which dialogues and ids came before. In a temporary database, so that memory does not grow with the prompts."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", check_same_thread=False)
        self._database.execute("PRAGMA journal_mode=OFF")
        self._database.execute("CREATE TABLE seen (name TEXT PRIMARY KEY, content TEXT, source TEXT) WITHOUT ROWID")
        self._database.execute("CREATE TABLE dialogues (content TEXT PRIMARY KEY, source TEXT) WITHOUT ROWID")

    def check(self, prompt: Prompt) -> Prompt | RowFault:
        content = Prompt.id_of(prompt.messages)
        first = self._database.execute("SELECT source FROM dialogues WHERE content=?", (content,)).fetchone()
        if first is not None:
            return RowFault(prompt.source, f"the same dialogue as {first[0]}", Reason.DUPLICATE)
        same_id = self._database.execute("SELECT source FROM seen WHERE name=?", (prompt.id,)).fetchone()
        if same_id is not None:
            return RowFault(prompt.source, f"id {prompt.id!r} belongs to another prompt already: {same_id[0]}")
        self._database.execute("INSERT INTO seen VALUES (?,?,?)", (prompt.id, content, prompt.source))
        self._database.execute("INSERT INTO dialogues VALUES (?,?)", (content, prompt.source))
        return prompt


def _messages(given: Any, field: str) -> Messages | str:
    """The dialogue, or what is wrong with it."""
    if isinstance(given, str):
        return (Message("user", mended(given)),)
    if not isinstance(given, list) or not given:
        wanted = "a text or a list of turns" if field == "prompt" else "a list of turns"
        return f"`{field}` must be {wanted}, this is {_shown(given)}"
    turns = []
    for number, turn in enumerate(given, 1):
        if not isinstance(turn, Mapping) or not isinstance(turn.get("content"), str):
            hint = f"; {SHAREGPT}" if isinstance(turn, Mapping) and "from" in turn else ""
            return f"turn {number} must have a `role` and a text `content`, this is {_shown(turn)}{hint}"
        if turn.get("role") not in ROLES:
            return f"turn {number}: unknown role {turn.get('role')!r}; known: {', '.join(ROLES)}"
        turns.append(Message(turn["role"], mended(turn["content"])))
    return tuple(turns)


def _tags(given: Any) -> tuple[str, ...] | None:
    if given is None:
        return ()
    if isinstance(given, str):
        return (mended(given),)
    if isinstance(given, list) and all(isinstance(tag, str) for tag in given):
        return tuple(mended(tag) for tag in given)
    return None


def _fields_hint(row: Mapping[str, Any]) -> str:
    names = [mended(str(name)) for name in row]
    close = next((near_matches(name, ("prompt", "messages")) for name in names if near(name)), "")
    hint = f"; {SHAREGPT}" if "conversations" in names else close
    return f"its fields are: {', '.join(names[:8]) or 'none'}{hint}"


def near(name: str) -> bool:
    return "did you mean" in near_matches(name, ("prompt", "messages"))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"
