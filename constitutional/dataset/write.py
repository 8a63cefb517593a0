"""Writes ``dataset/`` of a run from its ledger: streamed, in constant memory, and put in place at once when complete.

    dataset/README.md                                the card; datasets.load_dataset("RUN/dataset", "preference") works
    dataset/manifest.json                            digests of everything, and which runs made it
    dataset/preference/train-00000-of-00001.parquet  one folder per subset, each split in shards
    dataset/preference/train/…                       the same as Arrow: datasets.load_from_disk("RUN/dataset/preference")
    dataset/provenance/RUN/…                         constitution, templates, settings and judge card of each run

The same traces give the same bytes, however often the run was interrupted."""

from __future__ import annotations

import contextlib
import ctypes
import json
import shutil
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from constitutional import __version__
from constitutional.core.codec import from_json
from constitutional.core.digest import digest
from constitutional.core.records import Trace
from constitutional.core.watch import Watch, warnings
from constitutional.dataset.card import Facts, card
from constitutional.dataset.lengths import PLOT, length_plot
from constitutional.dataset.manifest import (
    CARD,
    MANIFEST,
    Manifest,
    MergeEntry,
    SplitEntry,
    content_digest,
    file_entries,
    run_entries,
)
from constitutional.dataset.provenance import OF_A_RUN, Origin, origins
from constitutional.dataset.rows import SUBSETS, bad_row, rows_of, schemas
from constitutional.dataset.shards import Shards
from constitutional.dataset.splits import Splits
from constitutional.dataset.tally import Tally
from constitutional.errors import LedgerError
from constitutional.ledger import LedgerView, RunFolder, Sifted

FORMAT = 3
SIGNATURE = ".signature"
WARNINGS = ".warnings.json"


def write_dataset(folder: RunFolder, *, complete: bool) -> bool:
    """False where the dataset that is there holds these very traces already. ``complete`` takes the prompts of the last
    session; otherwise whatever is finished under the present plan is written."""
    with LedgerView(folder.ledger) as view:
        source = _Source(view, complete)
        signature = source.signature()
        marker = folder.dataset / SIGNATURE
        if marker.is_file() and marker.read_text() == signature:
            return False
        part = folder.path / ".dataset.part"
        shutil.rmtree(part, ignore_errors=True)
        try:
            part.mkdir()
            _give_back()
            _write(source, part)
            (part / SIGNATURE).write_text(signature)
            _swap(part, folder.dataset)
        except OSError as error:
            raise LedgerError(
                f"{folder.dataset}: cannot be written: {error.strerror or error}; nothing is lost, the run is in "
                f"{folder.ledger}: run again when it can be"
            ) from error
    return True


def _give_back() -> None:
    """What the run has freed goes to the system before Arrow needs memory: the C library would keep it. Elsewhere than on
    glibc there is nothing to do."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


class _Source:
    """What a ledger has for a dataset."""

    def __init__(self, view: LedgerView, complete: bool) -> None:
        self.complete = complete
        self.origins = origins(view)
        self._merged = view.meta("merged") is not None
        self._view = view
        self._sifted = Sifted(view)

    @property
    def merged(self) -> dict[str, Any] | None:
        """How several runs became one; None for one run."""
        saved = self._view.meta("merged")
        if saved is None:
            return None
        found: dict[str, Any] = json.loads(saved)["record"]
        return found

    def signature(self) -> str:
        """Names exactly what the dataset would hold."""
        hashed = blake2b(digest_size=16)
        first = self.origins[0].config
        about = [[o.summary(), o.meta.get("human_labels"), o.public_config] for o in self.origins]
        settings = [FORMAT, __version__, self.complete, first.test_fraction, first.seed, first.watch.model_dump()]
        settings.append(first.split.model_dump())
        hashed.update(digest([settings, about, self.merged]).encode())
        for row in self._view.traces("prompt_id, digest", complete=self.complete):
            hashed.update(repr(row).encode())
        for row in self._view.bad_rows():
            hashed.update(repr(row).encode())
        for drops in self._sifted.rows():
            hashed.update(repr(drops).encode())
        return hashed.hexdigest()

    def traces(self) -> Iterator[tuple[Origin, Trace]]:
        for position, body in self._view.traces("position, body", complete=self.complete):
            yield self._of(position), self._sifted.apply(from_json(Trace, body))

    def bad_rows(self) -> Iterator[tuple[Origin, str, str, str, bool]]:
        """(run, source, reason, detail, failure) of lines that were no prompt."""
        for position, source, reason, detail, failure in self._view.bad_rows():
            yield self._of(position), source, reason, detail, bool(failure)

    def _of(self, position: int) -> Origin:
        """The run that a row is of."""
        return self.origins[position // OF_A_RUN if self._merged else 0]


def _write(source: _Source, part: Path) -> None:
    first = source.origins[0].config
    human = {name: share for origin in source.origins for name, share in origin.human.items()}
    tally, splits = Tally(watch=Watch(human)), Splits(first.seed, first.test_fraction, first.split)
    with Shards(part, schemas()) as shards:
        for origin, trace in source.traces():
            split = splits.of(trace.prompt)
            tally.add(trace)
            for subset, row in rows_of(trace, origin.model_names, origin.name, origin.human):
                if subset == "rejects":
                    row |= {"detail": origin.scrub(row["detail"]), "source": origin.scrub(row["source"])}
                shards.add(subset, split, row)
        for origin, place, reason, detail, failure in source.bad_rows():
            tally.bad_row(reason, failure)
            subset, row = bad_row(origin.scrub(place), reason, origin.scrub(detail), failure, origin.name)
            shards.add(subset, "train", row)
    content = content_digest(shards.digests)
    odd = warnings(tally.watch.findings(first.watch))
    (part / WARNINGS).write_text(json.dumps(odd, ensure_ascii=False), encoding="utf-8")
    facts = Facts(tally, shards.counts, source.origins, content, source.complete, odd, source.merged)
    for name, text in _texts(facts):
        path = part / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (part / MANIFEST).write_text(_manifest(facts, shards, part).dump(), encoding="utf-8")


def _texts(facts: Facts) -> Iterator[tuple[str, str]]:
    """What stands beside the rows."""
    for origin in facts.origins:
        yield from origin.files()
    plot = length_plot(facts.tally)
    if plot is not None:
        yield PLOT, plot
    yield CARD, card(facts)


def _manifest(facts: Facts, shards: Shards, part: Path) -> Manifest:
    counts, digests = shards.counts, shards.digests
    splits = {
        subset: {split: SplitEntry(rows=rows, digest=digests[subset][split]) for split, rows in counts[subset].items()}
        for subset in SUBSETS
    }
    return Manifest(
        made_with=f"constitutional {__version__}",
        complete=facts.complete,
        content=facts.content,
        subsets=splits,
        runs=run_entries({o.name: (o.summary(), o.path) for o in facts.origins}, shards.runs),
        merged=None if facts.merged is None else MergeEntry.model_validate(facts.merged),
        files=file_entries(part, shards.rows_in, (SIGNATURE, WARNINGS)),
    )


def run_warnings(folder: RunFolder) -> list[str]:
    """What the watch found odd when the dataset was written."""
    path = folder.dataset / WARNINGS
    found: list[str] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return found


def _swap(part: Path, place: Path) -> None:
    """The new dataset takes the place of the old one: a reader finds the one or the other, never half of one."""
    old = place.with_name(".dataset.old")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    part.rename(place)
    shutil.rmtree(old, ignore_errors=True)
