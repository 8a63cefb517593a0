"""What an audit is of: a finished run, a run to come, or what the flags say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from constitutional.audit.labels import Labels, joined, read_labels
from constitutional.audit.runs import human_labels, pairs_of
from constitutional.config.judge_card import card_from
from constitutional.config.run import RunConfig, read_run
from constitutional.core.constitution import Constitution
from constitutional.errors import ConfigError, UsageError
from constitutional.ledger import LedgerView, RunFolder
from constitutional.ledger.rows import MetaRow
from constitutional.ledger.writer import Writer
from constitutional.pipeline.opened import open_run

CARD = "judge-card.json"


@dataclass(frozen=True, slots=True)
class Source:
    config: RunConfig
    base: Path
    folder: RunFolder
    """Whose ledger holds the judge's replies."""
    out: Path
    of_run: bool
    constitution: Constitution | None
    """That of the run, as it was when the run was made."""
    without_model: bool


def resolve(run: Path | None, folder: Path | None, out: Path | None, flags: dict[str, Any]) -> Source:
    constitution = None
    if run is None:
        data, base, of_run = _from_nothing(), Path.cwd(), False
    elif run.is_dir():
        data, base, constitution = _of_folder(run)
        of_run = True
    else:
        data, base, of_run = read_run(run).model_dump(), run.resolve().parent, False
    if of_run and folder is not None:
        raise UsageError(f"--run {folder}: the ledger is that of {run}; leave one of the two out")
    data |= {"max_calls": None, "max_cost": None, "judge_card": None, "accept_bad_judge": False}
    without_model = _with_flags(data, flags)
    if flags["constitution"] is not None:
        constitution, name = None, flags["constitution"]
        data["constitution"] = str(Path.cwd() / name) if Path(name).exists() else name
    card = _card(out or (run / CARD if run is not None and of_run else Path(CARD)))
    ledger = RunFolder(run) if run is not None and of_run else RunFolder(folder or card.with_name(f"{card.stem}-run"))
    try:
        config = RunConfig.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        name = (
            f"--{str(first['loc'][0]).replace('_', '-')}"
            if len(first["loc"]) == 1
            else ".".join(map(str, first["loc"]))
        )
        raise ConfigError(f"{name}: {first['msg'].removeprefix('Value error, ')}") from error
    return Source(config, base, ledger, card, of_run, constitution, without_model)


def own_pairs(source: Source, files: Sequence[str]) -> tuple[Labels, int]:
    """The labels, with the run's own texts for pairs that it made, and how many these are."""
    labels = read_labels(files, Path.cwd())
    if not source.of_run:
        return labels, 0
    wanted = {pair.id for pair in labels.pairs}
    with open_run(source.folder.path) as run:
        known = {pair.id: pair for trace in run.traces() for pair in pairs_of(trace) if pair.id in wanted}
    return joined(labels, known)


def keep_labels(folder: RunFolder, labels: Labels) -> None:
    """In the run, for its dataset and for the watch. The folder is locked by the caller."""
    with LedgerView(folder.ledger) as view:
        kept = json.loads(view.meta("human_labels") or "{}")
    found = human_labels(labels.pairs)
    if not found.keys() <= kept.keys() or any(kept[name] != found[name] for name in found):
        writer = Writer(folder.ledger, lambda error: None)
        writer.put(MetaRow("human_labels", json.dumps(kept | found, sort_keys=True)))
        writer.close()
        if writer.error is not None:
            raise writer.error


def _from_nothing() -> dict[str, Any]:
    return {"models": {}}


def _of_folder(path: Path) -> tuple[dict[str, Any], Path, Constitution]:
    """By its `config.yaml`, whose paths are whole, else by the ledger alone."""
    folder = RunFolder(path)
    with open_run(path) as run:
        constitution = run.constitution
        config, base = (read_run(folder.config), path) if folder.config.is_file() else (run.config, Path.cwd())
    return config.model_dump(), base, constitution


def _with_flags(data: dict[str, Any], flags: dict[str, Any]) -> bool:
    """Puts the flags into ``data``; whether no model is named at all."""
    models, judge = data["models"], flags["judge"]
    if flags["model"] is not None:
        own = "judge" if "judge" in models else "policy"
        models[own] = {"name": flags["model"]}
    if judge is not None and ":" in judge:
        models["judge"] = {"name": judge}
    elif judge is not None:
        data["judge"] = {"plugin": judge}
    if flags["price"] is not None:
        from constitutional.cli.resolve import price

        for entry in models.values():
            entry["prices"] = entry.get("prices") or price(flags["price"])
    for name in ("base_url", "max_tokens"):
        for entry in models.values() if flags[name] is not None else ():
            entry[name] = entry.get(name) or flags[name]
    data |= {name: flags[name] for name in ("concurrency", "max_calls", "max_cost", "seed")
             if flags[name] is not None}  # fmt: skip
    return "judge" not in models and "policy" not in models


def _card(path: Path) -> Path:
    """Where the card may be written: over an older card, and over nothing else."""
    if path.is_dir():
        path = path / CARD
    if path.suffix != ".json":
        raise UsageError(f"--out {path}: a judge card is a .json file (its page gets the same name with .html)")
    if path.exists() and path.stat().st_size:
        try:
            card_from(json.loads(path.read_bytes()), str(path))
        except (ValueError, OSError) as error:
            raise UsageError(f"--out {path}: is there and is no judge card: choose another name") from error
    return path
