"""``constitutional push``"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from constitutional.saying import say, silent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from constitutional.dataset.push import Item


@click.command("push")
@click.argument("source", metavar="RUN|DATASET|MODEL", type=click.Path(path_type=Path))
@click.argument("repo", metavar="user/name")
@click.option("--model", is_flag=True, help="It is the folder of a trained model.")
@click.option("--public", is_flag=True, help="Everybody may see it; a new repository is private otherwise.")
@click.option("--revision", metavar="BRANCH", help="The branch; it is made where there is none [main].")
@click.option("--tag", metavar="NAME", help="Set a tag on what was pushed.")
@click.option("--message", metavar="TEXT", help="Of the commit.")
@click.option("--accept-incomplete", is_flag=True, help="Push a run that was stopped or interrupted.")
@click.option("--accept-ungated", is_flag=True, help="Push labels of a judge that nothing says is fit to label.")
@click.option("--dry-run", is_flag=True, help="Show the files, their sizes and the card; ask the Hub nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def command(
    source: Path,
    repo: str,
    model: bool,
    public: bool,
    revision: str | None,
    tag: str | None,
    message: str | None,
    accept_incomplete: bool,
    accept_ungated: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Push a dataset, or a trained model with --model, to the Hugging Face Hub: private unless --public.

    With the dataset go its card, the constitution, the templates, the settings and the judge card; keys, addresses and
    this machine's paths do not. The same command again goes on with an upload that was interrupted.
    """
    from constitutional.dataset.hub import Hub, check_repo
    from constitutional.dataset.push import Destination, push

    hub = Hub()
    check_repo(repo)
    if model:
        from constitutional.dataset.push_model import model_items

        items: Sequence[Item] = model_items(source)
    else:
        items = _dataset(source, repo, accept_incomplete, accept_ungated, dry_run)
    if dry_run:
        _show(items, repo, as_json)
        return
    to = Destination(repo, "model" if model else "dataset", public, revision, tag)
    done = push(hub, items, to, message or _message(source, model), silent if quiet else say)
    if as_json:
        click.echo(json.dumps({"url": done.url, "commit": done.commit, "files": done.files, "bytes": done.bytes}))
    else:
        click.echo(f"{done.url} ({done.files} files, commit {done.commit[:12]})")


def _dataset(source: Path, repo: str, accept_incomplete: bool, accept_ungated: bool, dry_run: bool) -> Sequence[Item]:
    """Refuses what is not fit to be pushed; a dry run only says that it would."""
    from constitutional.dataset.push import check_fit, check_ledger, dataset_items
    from constitutional.dataset.source import DatasetFolder
    from constitutional.errors import UsageError
    from constitutional.ledger import RunFolder

    folder = DatasetFolder.find(source)
    items, manifest = dataset_items(folder.path, repo)
    if RunFolder(source).started:
        check_ledger(RunFolder(source).ledger, manifest)
    try:
        check_fit(manifest, accept_incomplete=accept_incomplete, accept_ungated=accept_ungated)
    except UsageError as refusal:
        if not dry_run:
            raise
        click.echo(f"would be refused: {refusal}", err=True)
    return items


def _message(source: Path, model: bool) -> str:
    return "A trained model, with its card" if model else "A preference dataset, with its card and what made it"


def _show(items: Sequence[Item], repo: str, as_json: bool) -> None:
    from constitutional.dataset.manifest import CARD
    from constitutional.dataset.push import size

    card = next(item.content for item in items if item.path == CARD)
    text = card.decode() if isinstance(card, bytes) else card.read_text("utf-8")
    if as_json:
        files = {item.path: item.size for item in items}
        click.echo(json.dumps({"repo": repo, "files": files, "card": text}, indent=2, ensure_ascii=False))
        return
    width = max(len(item.path) for item in items)
    for item in items:
        click.echo(f"{item.path:<{width}}  {size(item.size):>9}")
    click.echo(f"{len(items)} files, {size(sum(item.size for item in items))}, to {repo}\n\n{text}")
