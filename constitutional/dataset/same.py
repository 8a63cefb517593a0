"""Which prompts and which pairs of several runs are the same, and which of them is kept. In a temporary database, so that
memory does not grow with them."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import NamedTuple

from constitutional.core.digest import pair_id
from constitutional.core.records import Pair, Prompt, Trace
from constitutional.dataset.splits import dialogue
from constitutional.near_duplicates import Similar

Place = int
"""Where a prompt stands in the merged run: its run's multiple of ``OF_A_RUN``, and its place in that run."""


class Kept(NamedTuple):
    place: Place
    prompt_id: str
    same: bool
    """The same but for case, punctuation and white space; else nearly the same."""


class SamePrompts:
    """Show it every prompt of every run, in order; then ask. Of prompts that are the same the first is kept that became
    a pair, and where none did, the first."""

    def __init__(self, similarity: float) -> None:
        self._similar = Similar(similarity)
        self._exact = Similar(1.0)
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode=OFF")
        self._database.execute(
            "CREATE TABLE prompts (place INTEGER PRIMARY KEY, id TEXT, same TEXT, exact TEXT, paired INTEGER)"
        )
        self._database.execute("CREATE INDEX by_group ON prompts (same, paired DESC, place)")
        self._database.execute("BEGIN")

    def add(self, place: Place, prompt: Prompt, *, paired: bool) -> None:
        text, name = dialogue(prompt), str(place)
        same, exact = (each.find_or_add(text, name) or name for each in (self._similar, self._exact))
        self._database.execute("INSERT INTO prompts VALUES (?, ?, ?, ?, ?)", (place, prompt.id, same, exact, paired))

    def kept(self, place: Place) -> Kept | None:
        """The prompt that is kept in place of this one; None where it is this one."""
        same, exact = self._database.execute("SELECT same, exact FROM prompts WHERE place = ?", (place,)).fetchone()
        first = self._database.execute(
            "SELECT place, id, exact FROM prompts WHERE same = ? ORDER BY paired DESC, place LIMIT 1", (same,)
        ).fetchone()
        return None if first[0] == place else Kept(first[0], first[1], first[2] == exact)

    def close(self) -> None:
        self._similar.close()
        self._exact.close()
        self._database.close()


class SamePairs:
    """Two answers to one dialogue count once, whichever of them is said to be better."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode=OFF")
        self._database.execute("CREATE TABLE pairs (id TEXT PRIMARY KEY, chosen TEXT, run TEXT) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def first(self, trace: Trace, pair: Pair, run: str) -> tuple[str, bool] | None:
        """The run that had it before, and whether it chose the same answer; None where this is the first."""
        name = pair_id(trace.prompt.messages, pair.chosen.text, pair.rejected.text)
        found = self._database.execute("SELECT run, chosen FROM pairs WHERE id = ?", (name,)).fetchone()
        if found is None:
            self._database.execute("INSERT INTO pairs VALUES (?, ?, ?)", (name, pair.chosen.text, run))
            return None
        return found[0], found[1] == pair.chosen.text

    def close(self) -> None:
        self._database.close()


def renamed(trace: Trace, name: str) -> Trace:
    """The trace with another name for its prompt; its answers keep theirs."""
    return replace(
        trace,
        prompt=replace(trace.prompt, id=name),
        responses=tuple(replace(response, prompt_id=name) for response in trace.responses),
        pairs=tuple(
            replace(
                pair,
                prompt_id=name,
                chosen=replace(pair.chosen, prompt_id=name),
                rejected=replace(pair.rejected, prompt_id=name),
            )
            for pair in trace.pairs
        ),
        rejects=tuple(replace(reject, prompt_id=name) for reject in trace.rejects),
    )
