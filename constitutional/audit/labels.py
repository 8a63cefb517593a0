"""Human labels from wherever they are: JSONL, CSV, Parquet, a saved dataset, a Hub id, a filled sheet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from constitutional.audit.pairs import Labelled
from constitutional.audit.rows import Readings, labelled_of
from constitutional.errors import PromptFileError
from constitutional.ledger.labels import LabelFile
from constitutional.pipeline.rows import RowFault, rows_of

MOST_SHOWN = 12
"""Bad rows that a message lists."""


@dataclass(slots=True)
class Labels:
    """All labelled pairs, each once, and what else was in the files."""

    pairs: list[Labelled]
    names: tuple[str, ...]
    """Of the files, without their folders."""
    unlabelled: int = 0
    identical: int = 0
    """Rows whose two answers are the same: nothing can be preferred."""
    repeated: int = 0
    readings: Readings = field(default_factory=Readings)

    @property
    def annotators(self) -> tuple[str, ...]:
        return tuple(sorted({name for pair in self.pairs for name in pair.votes}))

    @property
    def drawn_by(self) -> tuple[str, ...]:
        """How the pairs were chosen, where a sheet says it."""
        return tuple(sorted({pair.drawn_by for pair in self.pairs if pair.drawn_by}))


def read_labels(files: Sequence[str], base: Path) -> Labels:
    """Every row of every file. The same pair in several rows has one vote per annotator; in several files, each file is
    an annotator of its own where its rows name none. Bad rows are one error that lists them."""
    found = Labels([], tuple(_name(file) for file in files))
    at: dict[tuple[str, str | None], int] = {}
    faults: list[RowFault] = []
    for file in files:
        annotator = "human" if len(files) == 1 else Path(file.partition("#")[0]).stem
        for pair in _pairs(file, base, annotator, found, faults):
            fault = _add(found, at, pair)
            if fault is not None:
                faults.append(fault)
    _check_scale(found.readings, faults, found.names)
    if faults:
        raise PromptFileError(_listed(faults))
    if not found.pairs:
        raise PromptFileError(_nothing(found))
    return found


def _pairs(file: str, base: Path, annotator: str, found: Labels, faults: list[RowFault]) -> Iterator[Labelled]:
    cells = Path(file).suffix in (".csv", ".tsv")
    viewed = Path(file).suffix == ".db"
    for source, row in rows_of_viewer(base / file) if viewed else rows_of(file, base, "labels"):
        pair = row if isinstance(row, RowFault) else labelled_of(row, source, annotator, found.readings, cells=cells)
        if isinstance(pair, RowFault):
            faults.append(pair)
        elif pair is None:
            found.unlabelled += 1
        elif pair.a.text == pair.b.text:
            found.identical += 1
        else:
            yield pair


def rows_of_viewer(path: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """What was said in `constitutional view`, as the rows of a sheet."""
    if not path.is_file():
        raise PromptFileError(f"{path}: no such file: `constitutional view` makes it with the first label")
    for number, said in enumerate(LabelFile(path).all(), 1):
        yield (
            f"{path.name}:{number}",
            {
                "id": said.pair,
                "messages": [{"role": role, "content": content} for role, content in said.messages],
                "a": said.chosen,
                "b": said.rejected,
                "label": said.share,
                "annotator": said.annotator,
                "comment": said.note or None,
                "drawn_by": "view",
            },
        )


def _add(found: Labels, at: dict[tuple[str, str | None], int], pair: Labelled) -> RowFault | None:
    """The pair as a new one, or its votes with those of an earlier row."""
    place = at.setdefault((pair.id, pair.principle), len(found.pairs))
    if place == len(found.pairs):
        found.pairs.append(pair)
        return None
    first = found.pairs[place]
    votes = pair.votes if pair.a.text == first.a.text else pair.turned().votes
    for who in votes.keys() & first.votes.keys():
        if votes[who] != first.votes[who]:
            return RowFault(
                pair.source,
                f"the same pair has another label in {first.source}: keep one, or name who labelled in `annotator`",
            )
    if votes.keys() <= first.votes.keys():
        found.repeated += 1
    found.pairs[place] = replace(first, votes={**first.votes, **votes})
    return None


def _check_scale(readings: Readings, faults: list[RowFault], names: tuple[str, ...]) -> None:
    if {"0", "2"} <= readings.counts.keys():
        faults.append(
            RowFault(", ".join(names), "labels 0 and 2 both occur: use 1 and 2, or 1, 0 and 0.5, or a, b and tie")
        )


def _listed(faults: Sequence[RowFault]) -> str:
    lines = [f"{fault.source}: {fault.detail}" for fault in faults[:MOST_SHOWN]]
    more = len(faults) - len(lines)
    return "\n".join([*lines, *([f"and {more:,} more rows like these"] if more else [])])


def _nothing(found: Labels) -> str:
    name = ", ".join(found.names)
    if found.unlabelled:
        return (
            f"{name}: none of its {found.unlabelled:,} rows has a label: write a, b or tie into the column `label` "
            "(of as many as you can, 50 are a good start)"
        )
    return f"{name}: in each of its {found.identical:,} rows the two answers are the same: there is nothing to prefer"


def _name(file: str) -> str:
    """A file's name without its folder; a Hub id as it is."""
    path = Path(file.partition("#")[0])
    return path.name if path.suffix or path.is_absolute() else file


def joined(labels: Labels, known: Mapping[str, Labelled]) -> tuple[Labels, int]:
    """The pairs that a run made, by their ids, with the run's own texts: a spreadsheet may have changed line ends. Also
    how many were found there."""
    faults: list[RowFault] = []
    pairs, found = [], 0
    for pair in labels.pairs:
        own = known.get(pair.id)
        if own is None:
            pairs.append(pair)
            continue
        turned = _orientation(pair, own)
        if turned is None:
            faults.append(RowFault(pair.source, "its answers were changed since the sheet was written: put them back"))
            continue
        found += 1
        shown = pair.turned() if turned else pair
        pairs.append(replace(shown, prompt=own.prompt, a=own.a, b=own.b))
    if faults:
        raise PromptFileError(_listed(faults))
    return replace(labels, pairs=pairs), found


def _orientation(pair: Labelled, own: Labelled) -> bool | None:
    """Whether the sheet shows the run's answers the other way round; None where it shows others."""
    a, b, first, second = (_words(text) for text in (pair.a.text, pair.b.text, own.a.text, own.b.text))
    if (a, b) == (first, second):
        return False
    return True if (a, b) == (second, first) else None


def _words(text: str) -> list[str]:
    return text.split()
