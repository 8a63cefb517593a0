"""Preferences with a reason that a tiny model can find: one word in the answer."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

GOOD, BAD = "kind", "rude"
THINGS = ("fox", "dog", "reply", "letter", "answer", "capital", "number", "help")


def pair(number: int, p: float = 0.9, *, flipped: bool = False) -> dict[str, Any]:
    """About a thing of its own; the better answer says GOOD. ``flipped`` is a label that is wrong."""
    draw = Random(number)
    thing = draw.choice(THINGS)
    good, bad = (f"The {thing} is {word} {draw.randrange(10)}" for word in (GOOD, BAD))
    if flipped:
        good, bad = bad, good
    return {
        "prompt": [{"role": "user", "content": f"How is the {thing} {number}?"}],
        "chosen": [{"role": "assistant", "content": good}],
        "rejected": [{"role": "assistant", "content": bad}],
        "p_chosen": p,
        "margin": 2 * p - 1,
        "prompt_id": f"p{number}",
    }


def answer(number: int) -> dict[str, Any]:
    row = pair(number)
    return {"prompt": row["prompt"], "completion": row["chosen"], "resolved": True, "prompt_id": row["prompt_id"]}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_dataset(folder: Path, pairs: int, answers: int = 0) -> Path:
    """A folder with the subsets that a run has."""
    write(folder / "preference" / "train.jsonl", [pair(number) for number in range(pairs)])
    write(folder / "sft" / "train.jsonl", [answer(number) for number in range(answers)])
    return folder
