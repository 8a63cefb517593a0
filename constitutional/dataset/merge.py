"""Several runs to one: a ledger with the traces and the calls of all of them, in which every row knows its run."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from constitutional.core.codec import from_json
from constitutional.core.digest import digest
from constitutional.core.records import Reason, Reject, Trace
from constitutional.dataset.provenance import METAS, OF_A_RUN, RUN_NAME, Origin, origins
from constitutional.dataset.same import SamePairs, SamePrompts, renamed
from constitutional.errors import UsageError
from constitutional.ledger import LedgerView, RunFolder, Sifted, TraceRow, create_or_check
from constitutional.ledger.copy import remove_ledger
from constitutional.ledger.rows import BadRow, MetaRow, Row
from constitutional.ledger.schema import connect, failure
from constitutional.ledger.sifted import Drops, create_sifted

By = Literal["prompt", "pair"]
COMPLETE = "complete"
SESSION = 1


@dataclass(frozen=True)
class Source:
    """One of the runs that are merged. One that was merged itself stands for its own runs."""

    folder: RunFolder
    view: LedgerView
    first: int
    """The place of its first run among all."""
    origins: Sequence[Origin]

    def place(self, position: int) -> int:
        return self.first * OF_A_RUN + position

    def traces(self) -> Iterator[tuple[int, Trace, Drops]]:
        """(place, trace, pairs that filters of its whole run dropped)."""
        sifted = Sifted(self.view)
        for position, body in self.view.traces("position, body"):
            trace = from_json(Trace, body)
            yield self.place(position), trace, sifted.of(trace.prompt.id)


@dataclass
class Merged:
    names: list[str]
    folders: list[str]
    """Of each run, as it is called on this machine: for whoever merges, and for nobody else."""
    complete: bool
    differences: dict[str, dict[str, Any]]
    """Setting → run → value, where they are not all the same."""
    prompts: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    pairs: Counter[str] = field(default_factory=Counter)
    repeated: Counter[str] = field(default_factory=Counter)
    """Pairs that another run has too."""
    contradicted: int = 0
    """Of these, pairs of which the other run chose the other answer."""

    def runs(self) -> list[dict[str, Any]]:
        return [
            {"name": name, "prompts": self.prompts[name], "kept": self.kept[name],
             "dropped": self.prompts[name] - self.kept[name], "repeated_pairs": self.repeated[name]}
            for name in self.names
        ]  # fmt: skip


def merge(paths: Sequence[Path], target: RunFolder, by: By, similarity: float) -> Merged:
    """Writes the ledger of ``target``, which must be locked and hold no run. It takes its place when it is whole."""
    part = target.path / ".merging.db"
    remove_ledger(part)  # of a merge that was killed
    with ExitStack() as stack:
        sources = _open(paths, stack)
        named = _named([origin for source in sources for origin in source.origins])
        complete = all(origin.status == COMPLETE for origin in named)
        folders = [origin.meta["folder"] for origin in named]
        merged = Merged([origin.name for origin in named], folders, complete, _differences(named))
        create_or_check(part)
        connection = connect(part, writable=True)
        try:
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute("BEGIN")
            create_sifted(connection)
            _Merging(connection, sources, named, merged, by, similarity).run()
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise failure(part, error) from error
        finally:
            connection.close()
    part.rename(target.ledger)
    return merged


class _Merging:
    def __init__(
        self,
        connection: sqlite3.Connection,
        sources: Sequence[Source],
        named: Sequence[Origin],
        merged: Merged,
        by: By,
        similarity: float,
    ) -> None:
        self._connection = connection
        self._sources = sources
        self._named = named
        self._merged = merged
        self._by = by
        self._similarity = similarity
        self._plan = digest(["merged", by, similarity, [origin.plan for origin in named]])

    def run(self) -> None:
        for source in self._sources:
            self._copy_calls(source)
            for place, where, reason, detail, failed in source.view.bad_rows():
                self._put(BadRow(SESSION, source.place(place), where, reason, detail, bool(failed)))
        if self._by == "prompt":
            self._by_prompt()
        else:
            self._by_pair()
        for name, value in self._metas().items():
            self._put(MetaRow(name, value))

    def _by_prompt(self) -> None:
        same = SamePrompts(self._similarity)
        for source in self._sources:
            for place, trace, drops in source.traces():
                same.add(place, trace.prompt, paired=len(trace.pairs) > len(drops))
        for source in self._sources:
            for place, trace, drops in source.traces():
                run = self._run(place)
                self._merged.prompts[run] += 1
                kept = same.kept(place)
                if kept is None:
                    self._keep(place, trace, drops)
                    continue
                reason = Reason.DUPLICATE if kept.same else Reason.NEAR_DUPLICATE
                detail = f"prompt {trace.prompt.id} of run {run}: as {kept.prompt_id} of run {self._run(kept.place)}"
                self._put(BadRow(SESSION, place, trace.prompt.source, reason, detail, failure=False))
        same.close()

    def _by_pair(self) -> None:
        same = SamePairs()
        for source in self._sources:
            for place, trace, drops in source.traces():
                run, found = self._run(place), dict(drops)
                self._merged.prompts[run] += 1
                for number, pair in enumerate(trace.pairs):
                    before = None if number in found else same.first(trace, pair, run)
                    if before is not None:
                        self._merged.repeated[run] += 1
                        self._merged.contradicted += not before[1]
                        verdict = "the same label" if before[1] else "the other label"
                        detail = f"{pair.chosen.id} over {pair.rejected.id}: run {before[0]} has them, with {verdict}"
                        found[number] = Reject(trace.prompt.id, Reason.DUPLICATE_PAIR, detail)
                self._keep(place, trace, found)
        same.close()

    def _keep(self, place: int, trace: Trace, drops: Drops) -> None:
        """Under a name of its own: files of prompts may give one name to two dialogues, or a dialogue is in two runs."""
        run, name = self._run(place), trace.prompt.id
        self._merged.kept[run] += 1
        self._merged.pairs[run] += len(trace.pairs) - len(drops)
        if self._connection.execute("SELECT 1 FROM traces WHERE prompt_id = ?", (name,)).fetchone():
            trace = renamed(trace, f"{name}@{run}")
        prompt = trace.prompt
        state = f"{self._plan}:{digest([run, prompt.id, prompt.messages, prompt.tags])}"
        self._put(TraceRow.of(trace, state, SESSION, place))
        self._connection.executemany(
            "INSERT INTO sifted VALUES (?, ?, ?, ?)",
            [(prompt.id, number, reject.reason, reject.detail) for number, reject in drops.items()],
        )

    def _run(self, place: int) -> str:
        return self._named[place // OF_A_RUN].name

    def _copy_calls(self, source: Source) -> None:
        rows = source.view.rows("SELECT * FROM calls")
        self._connection.executemany("INSERT OR IGNORE INTO calls VALUES (?,?,?,?,?,?,?,?,?,?,?)", rows)

    def _put(self, row: Row) -> None:
        for statement, values in row.statements():
            self._connection.execute(statement, values)

    def _metas(self) -> dict[str, str]:
        """Those of the first run, for whoever looks at the merged one as at any other; and all of every run."""
        first = dict(self._named[0].meta)
        first.pop("name")
        human = {name: share for origin in self._named for name, share in origin.human.items()}
        unfinished = [origin.status for origin in self._named if origin.status != COMPLETE]
        record = {
            "by": self._by,
            "rule": _rule(self._by, self._similarity),
            "runs": self._merged.runs(),
            "differences": self._merged.differences,
        }
        own = {
            "plan": self._plan,
            "session": str(SESSION),
            "status": unfinished[0] if unfinished else COMPLETE,
            "merged": json.dumps({"runs": [dict(origin.meta) for origin in self._named], "record": record}),
        }
        return first | own | ({"human_labels": json.dumps(human, sort_keys=True)} if human else {})


def _rule(by: By, similarity: float) -> str:
    if by == "pair":
        return "every prompt of every run is kept; two answers to one dialogue that several runs compared count once, as " \
               "the first of them labelled them"  # fmt: skip
    alike = "the same but for case, punctuation and white space"
    if similarity < 1:
        alike = f"nearly the same (similarity {similarity:g} and more)"
    return f"of dialogues that are {alike}, the first is kept that became a pair, and where none did, the first"


def _open(paths: Sequence[Path], stack: ExitStack) -> list[Source]:
    found: list[Source] = []
    seen: set[Path] = set()
    first = 0
    for path in paths:
        if path.resolve() in seen:
            raise UsageError(f"{path} is named twice")
        seen.add(path.resolve())
        folder = RunFolder(path)
        view = stack.enter_context(LedgerView(folder.ledger))
        if view.meta("config") is None:
            raise UsageError(f"{path} holds no finished run: make it with `constitutional generate`")
        if view.meta("status") in (None, "running"):
            raise UsageError(f"{path}: the run has not ended: wait for it, or go on with `constitutional generate`")
        known = [_with_folder(origin, path) for origin in origins(view)]
        found.append(Source(folder, view, first, known))
        first += len(known)
    return found


def _with_folder(origin: Origin, path: Path) -> Origin:
    """What the run's folder is called goes with it: it must not stand in what is published."""
    kept = {name: value for name, value in origin.meta.items() if name in (*METAS, "folder")}
    return Origin({"folder": str(path.absolute())} | kept)


def _named(found: Sequence[Origin]) -> list[Origin]:
    """Each under a name of its own: runs of one plan over different prompts are the commonest thing to merge."""
    taken: Counter[str] = Counter()
    named = []
    for place, origin in enumerate(found):
        name = origin.plan[:RUN_NAME]
        taken[name] += 1
        if taken[name] > 1:
            name = f"{name}-{taken[name]}"
        named.append(Origin({**origin.meta, "name": name}, merged=place))
    return named


def _differences(named: Sequence[Origin]) -> dict[str, dict[str, Any]]:
    settings = {origin.name: dict(_settings(origin)) for origin in named}
    keys = sorted({key for one in settings.values() for key in one})
    found = {key: {name: one.get(key) for name, one in settings.items()} for key in keys}
    return {key: values for key, values in found.items() if len({digest(value) for value in values.values()}) > 1}


def _settings(origin: Origin) -> Iterator[tuple[str, Any]]:
    """What its labels depend on, without what is private."""
    about = origin.summary()
    named = about["constitution"]
    if named is not None:
        yield "constitution", f"{named['name']} {named['version']} ({named['digest'][:8]})"
    yield "templates", digest(about["templates"])[:8]
    yield "judge card", None if about["judge_card"] is None else about["judge_card"]["digest"][:8]
    for role, model in origin.models.items():
        yield f"model of the {role}", model["model"]
    config = {
        key: value
        for key, value in origin.public_config.items()
        if key not in ("prompts", "constitution", "judge_card", "models", "limit")
    }
    yield from _flat(config)


def _flat(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{at}.{key}" if at else str(key))
    else:
        yield at, value
