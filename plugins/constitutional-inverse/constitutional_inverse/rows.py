"""Preferences from wherever they are: JSONL, CSV, Parquet, a saved dataset, a dataset of the toolkit, a Hub id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from constitutional import ConfigError
from constitutional.pipeline.rows import RowFault, rows_of

MARK = "\n\nOutput: "


@dataclass(frozen=True, slots=True)
class Preference:
    """What was asked, and of two answers the one that was preferred."""

    prompt: str
    chosen: str
    rejected: str


def read_preferences(data: str, base: Path | None = None) -> list[Preference]:
    """Rows with `chosen` and `rejected` (texts or messages; `prompt` beside them or inside), or with `text_a`, `text_b`
    and `preferred_text`. Rows whose two answers are the same prefer nothing and are left out."""
    found = []
    for source, row in rows_of(data, base or Path.cwd(), "preferences"):
        if isinstance(row, RowFault):
            raise ConfigError(f"{row.source}: {row.detail}")
        if not isinstance(row, Mapping):
            raise ConfigError(f"{source}: not an object")
        pair = _preference(row, source)
        if pair.chosen.strip() != pair.rejected.strip():
            found.append(pair)
    if not found:
        raise ConfigError(f"{data}: no row in which two different answers were compared")
    return found


def _preference(row: Mapping[str, Any], source: str) -> Preference:
    if {"text_a", "text_b", "preferred_text"} <= row.keys():
        preferred = row["preferred_text"]
        if preferred not in ("text_a", "text_b"):
            raise ConfigError(f"{source}: preferred_text is {preferred!r}, not text_a or text_b")
        other = "text_b" if preferred == "text_a" else "text_a"
        (prompt, chosen), (_, rejected) = _split(str(row[preferred])), _split(str(row[other]))
        return Preference(prompt, chosen, rejected)
    if {"chosen", "rejected"} <= row.keys():
        asked, chosen = _dialogue(row["chosen"])
        _, rejected = _dialogue(row["rejected"])
        prompt = _dialogue(row["prompt"])[0] or _dialogue(row["prompt"])[1] if row.get("prompt") else asked
        return Preference(prompt, chosen, rejected)
    raise ConfigError(f"{source}: neither chosen and rejected nor text_a, text_b and preferred_text in {sorted(row)}")


def _split(text: str) -> tuple[str, str]:
    prompt, mark, answer = text.partition(MARK)
    return (prompt.removeprefix("Instruction: "), answer.strip()) if mark else ("", text.strip())


def _dialogue(value: Any) -> tuple[str, str]:
    """What was said before, and the last answer; of a plain text, that text. A prompt ends with the user's turn."""
    if isinstance(value, str):
        return "", value.strip()
    turns = [(str(turn["role"]), str(turn["content"])) for turn in value]
    last = turns.pop()[1] if turns and turns[-1][0] == "assistant" else ""
    before = turns[0][1] if len(turns) == 1 else "\n\n".join(f"{role}: {text}" for role, text in turns)
    return before, last
