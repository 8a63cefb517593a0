"""What an exporter is: how one row of a subset becomes a row of somebody else's format, or why it cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from constitutional.dataset.rows import Row

Convert = Callable[[Row], "Row | str"]
"""The row in the other format, or the reason why that cannot hold it."""


@dataclass(frozen=True)
class Place:
    """A file that was written: the split that is in it, its name, its rows."""

    split: str
    file: str
    rows: int


@dataclass(frozen=True)
class Format:
    name: str
    about: str
    subset: Literal["preference", "sft", "unpaired"]
    convert: Convert
    holds_probability: bool = False
    """Of a format that does not, the labels become certain, and the user is told."""
    folder: bool = False
    """A folder with one file a split, and what stands beside them."""
    array: bool = False
    """One JSON array instead of one object a line."""
    suffixes: Sequence[str] = (".jsonl", ".parquet")
    file: Callable[[str], str] = lambda split: f"{split}.jsonl"
    """Split → its file in the folder."""
    beside: Callable[[str, Sequence[Place], Mapping[str, str]], Mapping[str, str]] | None = None
    """(name of the dataset, files, texts that are there already) → text of every further file of the folder."""


def text(messages: Any) -> str:
    """Of an answer: ours are one message of the assistant."""
    return "".join(message["content"] for message in messages)


def single_turn(messages: Sequence[Mapping[str, str]]) -> str | None:
    """What the user says, where that is all there is."""
    return messages[0]["content"] if [message["role"] for message in messages] == ["user"] else None


def why_not_single(messages: Sequence[Mapping[str, str]]) -> str:
    roles = [message["role"] for message in messages]
    return "it has a system message" if roles == ["system", "user"] else "it has several turns"


def alternates(messages: Sequence[Mapping[str, str]]) -> bool:
    """User and assistant by turns, after a system message at most, the user last."""
    roles = [message["role"] for message in messages]
    if roles[:1] == ["system"]:
        roles = roles[1:]
    return len(roles) % 2 == 1 and roles == [("user", "assistant")[place % 2] for place in range(len(roles))]
