"""Where training rows come from: a run folder, a dataset folder or file, a Hub id. Rows are plain mappings here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from constitutional import tables
from constitutional.core.codec import from_json
from constitutional.core.constitution import Constitution
from constitutional.errors import ConfigError, MissingExtraError, first_line
from constitutional.ledger import LedgerView, RunFolder
from constitutional.ledger.missing import meant

Row = Mapping[str, Any]
Placed = tuple[str, Row]
"""The split that a row stands in, and the row."""

SUBSETS = ("preference", "sft", "unpaired")
OURS = {
    "preference": {"chosen", "rejected"},
    "sft": {"completion"},
    "unpaired": {"completion", "label"},
    "prompts": {"prompt"},
}
"""The columns by which a file of rows is known for what it holds."""


@dataclass(frozen=True, slots=True)
class About:
    """What the model card says of the data. No path of this machine."""

    name: str
    run: str | None = None
    constitution: str | None = None
    constitution_version: str | None = None


class Source:
    """The rows of each subset. Nothing is read before it is asked for."""

    def __init__(self, name: str) -> None:
        self.name = name
        plain, _, self._config = name.partition("#")
        self._path = Path(plain).expanduser()
        self.run = RunFolder(self._path) if (self._path / "run.db").is_file() else None
        if not self._path.exists() and not is_hub_id(plain):
            raise ConfigError(
                f"{name}: no such file or folder; train on a run folder, a dataset folder, a .jsonl or .parquet file, "
                f"or a Hub id (user/name){meant(self._path)}"
            )
        if self.run is not None and not self.run.dataset.is_dir():
            raise ConfigError(f"{name}: this run has no dataset yet: finish it with `constitutional generate`")

    def holds(self) -> str:
        """Why there may be no row of a kind: what is there in its place, in words that follow on the complaint."""
        if self.run is None and self._path.is_dir():
            return meant(self._path)
        first = next(_file(self._path), None) if self._path.is_file() else None
        return f"; the fields of its first row: {', '.join(map(str, first)) or 'none'}" if first is not None else ""

    def about(self) -> About:
        if self.run is None:
            return About(self.name if not self._path.exists() else self._path.resolve().name)
        with LedgerView(self.run.ledger) as view:
            plan, saved = view.meta("plan"), view.meta("constitution")
        name = self._path.resolve().name
        if saved is None:
            return About(name, (plan or "")[:12])
        constitution = from_json(Constitution, saved)
        return About(name, (plan or "")[:12], constitution.name, constitution.version)

    @property
    def beside(self) -> Path | None:
        """A folder for what is computed from these rows and may be used again: that of the run."""
        return self._path if self.run is not None else None

    def rows(self, subset: str) -> Iterator[Placed]:
        """In their order; none where the source has no such subset."""
        folder = self.run.dataset if self.run is not None else self._path
        if folder.is_dir():
            yield from _folder(folder, subset)
        elif folder.is_file():
            yield from _known(_file(folder), subset, "train")
        else:
            yield from _hub(self.name.partition("#")[0], self._config, subset)


def read_file(path: Path) -> Iterator[Row]:
    """The rows of one JSONL or Parquet file."""
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    return _file(path)


def is_hub_id(name: str) -> bool:
    owner, slash, rest = name.partition("/")
    plain = owner.replace("-", "").replace("_", "").replace(".", "")
    return bool(slash) and plain.isalnum() and bool(rest) and "/" not in rest


def _folder(folder: Path, subset: str) -> Iterator[Placed]:
    """A dataset of ours; one that `datasets` saved; or any folder of Parquet or JSONL files, named for their splits."""
    inner = folder / subset if (folder / subset).is_dir() else folder
    if inner is folder and any((folder / other).is_dir() for other in SUBSETS):
        return
    for suffix in (".parquet", ".jsonl"):
        files = sorted(inner.glob(f"*{suffix}")) or sorted(inner.glob(f"data/*{suffix}"))
        if files:
            for file in files:
                yield from _known(_file(file), subset, file.stem.split("-")[0])
            return
    choices = inner / "dataset_dict.json"
    splits = json.loads(choices.read_text())["splits"] if choices.is_file() else [""]
    found = False
    for split in splits:
        state = inner / split / "state.json"
        if state.is_file():
            found = True
            files = [inner / split / item["filename"] for item in json.loads(state.read_text())["_data_files"]]
            yield from _known(tables.arrow(files, ConfigError), subset, split or "train")
    if not found:
        raise ConfigError(f"{folder}: no dataset in it: expected {subset}/*.parquet, *.parquet, *.jsonl or saved Arrow")


def _known(rows: Iterable[Row], subset: str, split: str) -> Iterator[Placed]:
    """The rows of a file, if they are of this subset."""
    for number, row in enumerate(rows):
        if number == 0 and not OURS[subset] <= set(row):
            return
        yield split, row


def _file(path: Path) -> Iterator[Row]:
    if path.suffix in (".jsonl", ".ndjson"):
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _parsed(path, number, line)
    elif path.suffix == ".parquet":
        yield from tables.parquet(path, ConfigError)
    else:
        raise ConfigError(f"{path}: unknown kind of file {path.suffix!r}: use .jsonl or .parquet")


def _parsed(path: Path, number: int, line: bytes) -> Row:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}:{number}: not JSON: {error}") from error
    if not isinstance(row, dict):
        raise ConfigError(f"{path}:{number}: expected an object, one per line")
    return row


def _hub(name: str, config: str, subset: str) -> Iterator[Placed]:
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError.naming("datasets", "train") from error
    tables.quiet_hub()
    try:
        configs = datasets.get_dataset_config_names(name)
        wanted = config or (subset if subset in configs else None)
        splits = datasets.load_dataset(name, wanted, streaming=True)
        for split, rows in splits.items():
            yield from _known(rows, subset, split)
    except ConfigError:
        raise
    except Exception as error:
        hint, said = meant(Path(name)), first_line(error)
        raise ConfigError(f"{name}: no such folder here{hint}; from the Hub it cannot be read: {said}") from error
