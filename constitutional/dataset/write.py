"""Writes ``dataset/`` of a run from its ledger: streamed, in constant memory, and put in place at once when complete.

    dataset/README.md                                the card; datasets.load_dataset("RUN/dataset", "preference") works
    dataset/preference/train-00000-of-00001.parquet  one folder per subset, one file per split
    dataset/preference/train/…                       the same as Arrow: datasets.load_from_disk("RUN/dataset/preference")

The same traces give the same bytes, however often the run was interrupted."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from constitutional.config.judge_card import card_from
from constitutional.config.run import WatchConfig
from constitutional.core.codec import from_json
from constitutional.core.digest import random_for
from constitutional.core.records import Trace
from constitutional.core.watch import Watch, warnings
from constitutional.dataset.card import Tally, card
from constitutional.dataset.rows import SUBSETS, Row, bad_row, rows_of, schemas
from constitutional.errors import LedgerError
from constitutional.ledger import LedgerView, RunFolder

FORMAT = 2
WARNINGS = ".warnings.json"
BATCH = 1000
Selection = tuple[str, tuple[Any, ...]]


def write_dataset(folder: RunFolder, config: dict[str, Any], models: dict[str, str], *, complete: bool) -> bool:
    """False where the dataset that is there holds these very traces already. ``complete`` takes the prompts of the last
    session; otherwise whatever is finished under the present plan is written."""
    with LedgerView(folder.ledger) as view:
        selection = _selection(view, complete)
        signature = _signature(view, selection, config)
        marker = folder.dataset / ".signature"
        if marker.is_file() and marker.read_text() == signature:
            return False
        part = folder.path / ".dataset.part"
        shutil.rmtree(part, ignore_errors=True)
        try:
            part.mkdir()
            _write(view, selection, part, config, models, signature)
            (part / ".signature").write_text(signature)
            _swap(part, folder.dataset)
        except OSError as error:
            raise LedgerError(
                f"{folder.dataset}: cannot be written: {error.strerror or error}; nothing is lost, the run is in "
                f"{folder.ledger}: run again when it can be"
            ) from error
    return True


def _selection(view: LedgerView, complete: bool) -> Selection:
    if complete:
        return "session = ?", (int(view.meta("session") or 0),)
    return "state LIKE ? || ':%'", (view.meta("plan"),)


def _signature(view: LedgerView, selection: Selection, config: dict[str, Any]) -> str:
    """Names exactly what the dataset would hold."""
    where, values = selection
    hashed = blake2b(digest_size=16)
    of_judge = [view.meta("human_labels"), view.meta("judge_card") or "", config["watch"], config["accept_bad_judge"]]
    hashed.update(repr((FORMAT, config["test_fraction"], config["seed"], view.meta("plan"), of_judge)).encode())
    for row in view.rows(f"SELECT prompt_id, digest FROM traces WHERE {where} ORDER BY position, prompt_id", *values):
        hashed.update(repr(row).encode())
    for row in _bad_rows(view):
        hashed.update(repr(row).encode())
    return hashed.hexdigest()


def _bad_rows(view: LedgerView) -> Iterator[tuple[Any, ...]]:
    session = int(view.meta("session") or 0)
    return view.rows("SELECT source, reason, detail, failure FROM rows WHERE session = ? ORDER BY position", session)


def _write(
    view: LedgerView,
    selection: Selection,
    part: Path,
    config: dict[str, Any],
    models: dict[str, str],
    signature: str,
) -> None:
    where, values = selection
    run = (view.meta("plan") or "")[:12]
    human: dict[str, float] = json.loads(view.meta("human_labels") or "{}")
    tally = Tally(watch=Watch(human))
    with _Files(part, schemas()) as files:
        for (body,) in view.rows(f"SELECT body FROM traces WHERE {where} ORDER BY position, prompt_id", *values):
            trace = from_json(Trace, body)
            split = split_of(trace.prompt.id, config["seed"], config["test_fraction"])
            tally.add(trace)
            for subset, row in rows_of(trace, models, run, human):
                files.add(subset, split, row)
        for source, reason, detail, failure in _bad_rows(view):
            tally.bad_row(reason)
            files.add(*_train(bad_row(source, reason, detail, bool(failure), run)))
        counts = files.counts
    saved = view.meta("judge_card")
    judge = card_from(json.loads(saved), "the judge card of this run") if saved else None
    found = warnings(tally.watch.findings(WatchConfig.model_validate(config["watch"])))
    (part / WARNINGS).write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")
    text = card(tally, counts, config, models, run, signature, judge, found)
    (part / "README.md").write_text(text, encoding="utf-8")


def run_warnings(folder: RunFolder) -> list[str]:
    """What the watch found odd when the dataset was written."""
    path = folder.dataset / WARNINGS
    found: list[str] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return found


def _train(made: tuple[str, Row]) -> tuple[str, str, Row]:
    return made[0], "train", made[1]


def split_of(prompt_id: str, seed: int, test_fraction: float) -> str:
    """By prompt, so that no prompt is in two splits; stable when prompts are added."""
    return "test" if random_for(seed, prompt_id, "split").random() < test_fraction else "train"


class _Files:
    """One Parquet and one Arrow file per subset and split, written in batches."""

    def __init__(self, part: Path, schemas: Any) -> None:
        self.counts: dict[str, dict[str, int]] = {subset: {"train": 0} for subset in SUBSETS}
        self._part = part
        self._schemas = schemas
        self._pending: dict[tuple[str, str], list[Row]] = defaultdict(list)
        self._open: dict[tuple[str, str], tuple[Any, Any]] = {}

    def __enter__(self) -> _Files:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            for subset in SUBSETS:
                for split in self.counts[subset]:
                    self._flush(subset, split)
                self._describe(subset)
        for parquet, arrow in self._open.values():
            parquet.close()
            arrow.close()

    def add(self, subset: str, split: str, row: Row) -> None:
        self.counts[subset][split] = self.counts[subset].get(split, 0) + 1
        pending = self._pending[subset, split]
        pending.append(row)
        if len(pending) >= BATCH:
            self._flush(subset, split)

    def _flush(self, subset: str, split: str) -> None:
        parquet, arrow = self._files(subset, split)
        pending = self._pending.pop((subset, split), [])
        table = _table(pending, self._schemas[subset])
        parquet.write_table(table)
        arrow.write_table(table)

    def _files(self, subset: str, split: str) -> tuple[Any, Any]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        key = (subset, split)
        if key not in self._open:
            folder = self._part / subset / split
            folder.mkdir(parents=True)
            schema = self._schemas[subset]
            parquet = pq.ParquetWriter(
                self._part / subset / f"{split}-00000-of-00001.parquet", schema, compression="zstd"
            )
            self._open[key] = (parquet, pa.ipc.new_stream(str(folder / ARROW), schema))
        return self._open[key]

    def _describe(self, subset: str) -> None:
        """What ``datasets.load_from_disk`` looks for."""
        splits = list(self.counts[subset])
        (self._part / subset / "dataset_dict.json").write_text(json.dumps({"splits": splits}))
        for split in splits:
            state: Row = {
                "_data_files": [{"filename": ARROW}],
                "_fingerprint": blake2b(f"{subset}/{split}".encode(), digest_size=8).hexdigest(),
                "_format_columns": None,
                "_format_kwargs": {},
                "_format_type": None,
                "_output_all_columns": False,
                "_split": split,
            }
            (self._part / subset / split / "state.json").write_text(json.dumps(state, indent=2))
            (self._part / subset / split / "dataset_info.json").write_text("{}")


ARROW = "data-00000-of-00001.arrow"


def _table(rows: list[Row], schema: Any) -> Any:
    """Through JSON, which Arrow parses by itself: ``Table.from_pylist`` is slower, and loads pandas where it is
    installed, for nothing but sixty megabytes."""
    import pyarrow as pa
    import pyarrow.json as pj

    if not rows:
        return schema.empty_table()
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    return pj.read_json(
        pa.BufferReader(lines),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(lines) + 1),
        parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
    )


def _swap(part: Path, place: Path) -> None:
    """The new dataset takes the place of the old one: a reader finds the one or the other, never half of one."""
    old = place.with_name(".dataset.old")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    part.rename(place)
    shutil.rmtree(old, ignore_errors=True)
