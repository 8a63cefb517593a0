"""``constitutional verify``"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constitutional.dataset.manifest import RunEntry
    from constitutional.dataset.verify import Verified


@click.command("verify")
@click.argument("source", metavar="DATASET|RUN|HUB_ID")
@click.option("--revision", metavar="NAME", help="Branch, tag or commit on the Hub.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(source: str, revision: str | None, as_json: bool) -> int:
    """Compute every digest of a dataset again, and say which run, settings, constitution, templates and models made it.

    A changed row, a missing file and a file that was added are named; the exit code is then 1. Two datasets with the same
    content, as it is printed, have the same rows.
    """
    from constitutional.dataset.hub import download, is_hub_id
    from constitutional.dataset.source import DatasetFolder
    from constitutional.dataset.verify import verify
    from constitutional.errors import UsageError

    remote = is_hub_id(source)
    if revision is not None and not remote:
        raise UsageError(f"--revision is of a dataset on the Hub, and {source} is a folder here")
    folder = download(source, revision) if remote else DatasetFolder.find(Path(source)).path
    found = verify(folder)
    if as_json:
        click.echo(json.dumps(_as_json(source, found), indent=2, ensure_ascii=False))
    else:
        for line in _lines(source, found):
            click.echo(line)
    for warning in found.warnings:
        click.echo(f"warning: {warning}", err=True)
    for fault in found.faults:
        click.echo(f"error: {fault}", err=True)
    return 1 if found.faults else 0


def _lines(source: str, found: Verified) -> Iterator[str]:
    verdict = f"{len(found.faults)} faults" if found.faults else "as it was written"
    if len(found.faults) == 1:
        verdict = "1 fault"
    manifest = found.manifest
    files = len(manifest.travelling)
    yield f"{source}: {verdict}: {found.rows:,} rows, {files} files, content {manifest.content}"
    if not manifest.complete:
        yield "  incomplete: not every prompt was finished"
    for name, run in manifest.runs.items():
        yield from _run(name, run, dict(found.runs.get(name, {})))
    if manifest.merged is not None:
        yield f"merged by {manifest.merged.by}: {manifest.merged.rule}"


def _run(name: str, run: RunEntry, rows: dict[str, int]) -> Iterator[str]:
    made = ", ".join(f"{subset} {count:,}" for subset, count in rows.items()) or "no row"
    yield f"run {name} ({run.status}): {made}"
    yield f"  settings      {run.config}  {run.files}/config.yaml"
    if run.constitution is not None:
        named = run.constitution
        yield f"  constitution  {named.digest}  {named.name} {named.version}"
    for template, digest in sorted(run.templates.items()):
        yield f"  template      {digest}  {template}"
    for role, model in sorted(run.models.items()):
        revision = f" at {model.revision}" if model.revision else ""
        yield f"  {role:<13} {model.model}{revision}"
    if run.judge_card is None:
        yield "  judge card    none: nothing says that the judge is fit to label"
    else:
        verdict = "may label" if run.judge_card.may_label else "unfit to label, and overruled"
        yield f"  judge card    {run.judge_card.digest}  {verdict}"


def _as_json(source: str, found: Verified) -> dict[str, object]:
    return {
        "dataset": source,
        "content": found.manifest.content,
        "complete": found.manifest.complete,
        "rows": found.rows,
        "faults": found.faults,
        "warnings": found.warnings,
        "runs": {
            name: run.model_dump(mode="json") | {"rows": dict(found.runs.get(name, {}))}
            for name, run in found.manifest.runs.items()
        },
        "merged": found.manifest.merged.model_dump(mode="json") if found.manifest.merged else None,
    }
