"""Two runs side by side on the same prompts."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from constitutional.view.listing import COLUMNS, Item

PAGE = 25
CHUNK = 400
"""Prompts of the first run that are looked up in the second at once."""


@dataclass(frozen=True, slots=True)
class Both:
    left: Item
    right: Item

    @property
    def same_answer(self) -> bool:
        return (self.left.chosen, self.left.kind) == (self.right.chosen, self.right.kind)

    @property
    def same_reason(self) -> bool:
        return (self.left.tier, self.left.why) == (self.right.tier, self.right.why)


def side_by_side(
    left: sqlite3.Connection, right: sqlite3.Connection, *, differing: bool, after: int = -1
) -> tuple[list[Both], int | None]:
    """Prompts that both have, in the order of the left; and the position to go on from, None at the end. Of a prompt with
    several pairs its first."""
    found: list[Both] = []
    while True:
        items = [
            Item(*row)
            for row in left.execute(
                f"SELECT {COLUMNS} FROM items WHERE n <= 0 AND position > ? ORDER BY position LIMIT ?", (after, CHUNK)
            )
        ]
        if not items:
            return found, None
        others = _of_prompts(right, [item.prompt_id for item in items])
        for item in items:
            after = item.position
            other = others.get(item.prompt_id)
            if other is None or (differing and Both(item, other).same_answer and Both(item, other).same_reason):
                continue
            if len(found) == PAGE:
                return found, found[-1].left.position
            found.append(Both(item, other))


def _of_prompts(connection: sqlite3.Connection, ids: list[str]) -> dict[str, Item]:
    marks = ",".join("?" * len(ids))
    rows = connection.execute(f"SELECT {COLUMNS} FROM items WHERE n <= 0 AND prompt_id IN ({marks})", ids)
    return {item.prompt_id: item for item in (Item(*row) for row in rows)}
