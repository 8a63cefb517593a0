"""Overlap with a test set: what a model is trained on may not be what it is tested on."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from pydantic import Field

from constitutional.builtin.options import FilterOptions
from constitutional.core.records import Drop, Pair, Prompt, Reason, Trace
from constitutional.core.similarity import NGramSet, ngrams, words
from constitutional.errors import ConfigError
from constitutional.roles import Dropped, Setup

FEWEST = 5
"""Shorter texts of a test set (a name, a number) would be found everywhere."""


class ContaminationOptions(FilterOptions):
    against: list[str] = Field(
        min_length=1,
        description="Files of the test sets: `.jsonl`, `.json`, `.csv`, `.parquet` or `.txt` (a text a line).",
    )
    fields: list[str] = Field(default=[], description="Which fields of their rows; default: every text in them.")
    n: int = Field(default=13, ge=FEWEST, description="So many words in a row are an overlap.")
    share: float = Field(
        default=0.0, ge=0, le=1, description="Overlaps are dropped when they are more than this share of a text's runs."
    )
    answers: bool = Field(default=True, description="Look at the answers too.")


class Contamination:
    """A prompt that overlaps is not asked about; a pair whose answer does is dropped. A text of the test set that has fewer
    words than ``n`` overlaps where it is the whole of another."""

    def __init__(self, setup: Setup) -> None:
        options: ContaminationOptions = setup.options
        paths = [setup.base / name for name in options.against]
        self._n = options.n
        self._share = options.share
        self._answers = options.answers
        setup.depends([_digest(path) for path in paths])
        texts = (text for path in paths for text in read_texts(path, options.fields))
        self._known = NGramSet(run for text in texts for run in self._runs(words(text)))
        if not len(self._known):
            raise ConfigError(f"{', '.join(options.against)}: no text of {FEWEST} or more words in the test sets")

    def admit(self, prompt: Prompt) -> Dropped:
        for role, content in prompt.messages:
            if (share := self._overlap(content)) is not None:
                return Drop(Reason.CONTAMINATED, f"{share:.0%} of a {role} message is in the test set")
        return None

    def check(self, pair: Pair, trace: Trace) -> Dropped:
        for response in (pair.chosen, pair.rejected) if self._answers else ():
            if (share := self._overlap(response.text)) is not None:
                return Drop(Reason.CONTAMINATED, f"{share:.0%} of {response.id} is in the test set")
        return None

    def _overlap(self, text: str) -> float | None:
        runs = list(self._runs(words(text)))
        found = sum(run in self._known for run in runs)
        return found / len(runs) if found and found > self._share * len(runs) else None

    def _runs(self, sequence: list[str]) -> Iterator[int]:
        if len(sequence) >= self._n:
            yield from ngrams(sequence, self._n)
        elif len(sequence) >= FEWEST:
            yield from ngrams(sequence, len(sequence))


def read_texts(path: Path, fields: list[str]) -> Iterator[str]:
    """Every text of the rows, or of their named fields."""
    try:
        for row in _rows(path):
            if fields and isinstance(row, dict):
                row = [row.get(name) for name in fields]
            yield from _texts(row)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: the test set cannot be read: {error}") from error


def _rows(path: Path) -> Iterator[Any]:
    if path.suffix == ".parquet":
        import pyarrow.parquet as parquet

        for batch in parquet.ParquetFile(path).iter_batches(batch_size=1000):
            yield from batch.to_pylist()
        return
    with path.open(encoding="utf-8-sig", newline="" if path.suffix == ".csv" else None) as file:
        if path.suffix == ".csv":
            yield from csv.DictReader(file)
        elif path.suffix == ".json":
            yield from json.load(file)
        elif path.suffix in (".jsonl", ".ndjson"):
            yield from (json.loads(line) for line in file if line.strip())
        else:
            yield from file


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for inner in value.values() for text in _texts(inner))
    elif isinstance(value, list):
        yield from (text for inner in value for text in _texts(inner))


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            hashed = blake2b(digest_size=16)
            while block := file.read(1 << 20):
                hashed.update(block)
    except OSError as error:
        raise ConfigError(f"{path}: the test set cannot be read: {error.strerror}") from error
    return hashed.hexdigest()
