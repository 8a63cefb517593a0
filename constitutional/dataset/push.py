"""A dataset to the Hub: everything in one commit. Large files go up first, each kept by the Hub when it has arrived, so
that the same command again goes on where an interrupted one was."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from constitutional.dataset.card import PLACE
from constitutional.dataset.hub import Hub, Kind
from constitutional.dataset.manifest import CARD, MANIFEST, FileEntry, Manifest, file_entry, read_manifest
from constitutional.dataset.rows import SUBSETS
from constitutional.errors import ConstitutionalError, UsageError
from constitutional.ledger import LedgerView
from constitutional.saying import Say

OURS = (*(f"{subset}/" for subset in SUBSETS), "provenance/", MANIFEST, "lengths.svg")
"""What an earlier push may have left that this one does not have: it is removed, since rows of two datasets must not mix."""


@dataclass(frozen=True)
class Item:
    """A file to upload: where it goes and what is in it."""

    path: str
    content: Path | bytes
    size: int


@dataclass(frozen=True)
class Destination:
    repo: str
    kind: Kind = "dataset"
    public: bool = False
    revision: str | None = None
    tag: str | None = None


@dataclass(frozen=True)
class Pushed:
    url: str
    commit: str
    files: int
    bytes: int


def dataset_items(folder: Path, repo: str) -> tuple[list[Item], Manifest]:
    """The files of a dataset folder as they are uploaded: with its place on the Hub in the card. A folder that is not as
    it was written is refused."""
    manifest = read_manifest(folder)
    items = []
    for path, entry in manifest.travelling.items():
        _check(folder / path, entry)
        items.append(Item(path, folder / path, entry.bytes))
    card = (folder / CARD).read_text("utf-8").replace(PLACE, repo).encode()
    entries = {**manifest.files, CARD: _entry_of(card)}
    placed = manifest.model_copy(update={"files": entries})
    text = placed.dump().encode()
    items = [Item(CARD, card, len(card)) if item.path == CARD else item for item in items]
    return [*items, Item(MANIFEST, text, len(text))], placed


def check_fit(manifest: Manifest, *, accept_incomplete: bool, accept_ungated: bool) -> None:
    """Refuse what would mislead a stranger, unless told that it is meant."""
    unfinished = sorted({run.status for run in manifest.runs.values() if run.status != "complete"})
    if (not manifest.complete or unfinished) and not accept_incomplete:
        how = ", ".join(unfinished) or "not every prompt was finished"
        raise UsageError(
            f"the run is incomplete ({how}): finish it with `constitutional generate`, or push what is there with "
            "--accept-incomplete; the card says so"
        )
    if accept_ungated:
        return
    for name, run in manifest.runs.items():
        if run.judge_card is None:
            raise UsageError(
                f"run {name}: nothing says that its judge is fit to label: measure it with `constitutional audit` and run "
                "`generate` with --judge-card, or push all the same with --accept-ungated; the card says so"
            )
        if not run.judge_card.may_label:
            raise UsageError(
                f"run {name}: its judge card says that the judge is unfit to label (--accept-bad-judge was given): push "
                "all the same with --accept-ungated; the card says so"
            )


def check_ledger(ledger: Path, manifest: Manifest) -> None:
    """Whether the dataset is that of the run as it is now."""
    with LedgerView(ledger) as view:
        plan, status = view.meta("plan") or "", view.meta("status")
    merged = manifest.merged is not None
    if not merged and (plan not in {run.plan for run in manifest.runs.values()} or status == "running"):
        raise UsageError(
            f"{ledger.parent}: the run went on after its dataset was written: write it anew with `constitutional generate`"
        )


def push(hub: Hub, items: Sequence[Item], to: Destination, message: str, say: Say) -> Pushed:
    """Returns the commit in which everything is."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    hub.demand_token()
    with hub.speaking("cannot be made or seen", to.repo):
        _ensure(hub, to, say)
    operations: list[Any] = []
    for number, item in enumerate(items, 1):
        say(f"[{number}/{len(items)}] {item.path} ({size(item.size)})")
        content = item.content if isinstance(item.content, bytes) else str(item.content)
        operation = CommitOperationAdd(path_in_repo=item.path, path_or_fileobj=content)
        with hub.speaking(f"{item.path} cannot be uploaded", to.repo):
            hub.api.preupload_lfs_files(
                to.repo, [operation], repo_type=to.kind, revision=to.revision, free_memory=False, num_threads=1
            )
        operations.append(operation)
    with hub.speaking("cannot be listed", to.repo):
        stale = _stale(hub, to, {item.path for item in items})
    for path in stale:
        say(f"removed: {path}")
    operations += [CommitOperationDelete(path_in_repo=path) for path in stale]
    with hub.speaking("cannot be committed", to.repo):
        commit = hub.api.create_commit(
            to.repo, operations, commit_message=message, repo_type=to.kind, revision=to.revision, num_threads=1
        ).oid
    if to.tag is not None:
        with hub.speaking(f"the tag {to.tag!r} cannot be set", to.repo):
            hub.api.create_tag(to.repo, tag=to.tag, revision=commit, repo_type=to.kind)
    return Pushed(hub.url(to.repo, to.kind), commit, len(items), sum(item.size for item in items))


def _ensure(hub: Hub, to: Destination, say: Say) -> None:
    """The repository and the branch. One that is public already is not filled by somebody who did not say so."""
    hub.api.create_repo(to.repo, repo_type=to.kind, private=not to.public, exist_ok=True)
    private = bool(hub.api.repo_info(to.repo, repo_type=to.kind).private)
    if not private and not to.public:
        raise ConstitutionalError(f"{to.repo} is public: add --public if everybody is to see this")
    if private and to.public:
        say(f"{to.repo} is private and stays so: make it public in its settings on the Hub")
    if to.revision is not None and to.revision != "main":
        hub.api.create_branch(to.repo, branch=to.revision, repo_type=to.kind, exist_ok=True)


def _stale(hub: Hub, to: Destination, new: set[str]) -> list[str]:
    if to.kind != "dataset":
        return []
    there: Iterable[str] = hub.api.list_repo_files(to.repo, repo_type=to.kind, revision=to.revision)
    return sorted(path for path in there if path.startswith(OURS) and path not in new)


def _check(path: Path, entry: FileEntry) -> None:
    if not path.is_file():
        raise UsageError(f"{path} is missing: write the dataset anew with `constitutional generate`")
    if file_entry(path).sha256 != entry.sha256:
        command = shlex.join(["constitutional", "verify", str(path.parents[1])])
        raise UsageError(
            f"{path} is not as it was written: `{command}` says what changed; "
            "`constitutional generate` writes the dataset anew"
        )


def _entry_of(content: bytes) -> FileEntry:
    import hashlib

    return FileEntry(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def size(count: int) -> str:
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
