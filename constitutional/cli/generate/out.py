"""Batches that are out at a provider when a run begins or ends: they cost money, and only the run folder knows of them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from constitutional.config.run import RunConfig
from constitutional.errors import ConstitutionalError
from constitutional.ledger import SentBatch, open_batches


def shown_batch(batch: SentBatch) -> str:
    name = batch.id or "sent as the process ended, perhaps"
    at = time.strftime("%Y-%m-%d %H:%M", time.localtime(batch.at))
    return f"{batch.model}: {name}, {batch.requests:,} requests, of {at}"


def batch_json(batch: SentBatch) -> dict[str, Any]:
    at = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(batch.at))
    return {"model": batch.model, "id": batch.id, "requests": batch.requests, "sent": at}


def stays_out(batches: Iterable[SentBatch], *, needed: bool) -> list[str]:
    """What is said of each as a run ends."""
    then = "the same command again collects it" if needed else "nothing needs it any more"
    return [
        f"still out at {shown_batch(batch)}; it goes on there, and costs what it answers: {then}" for batch in batches
    ]


@contextlib.contextmanager
def saying_what_stays_out(ledger: Path, *, quiet: bool) -> Iterator[None]:
    """Where an error ends the run, and no summary says it."""
    try:
        yield
    except ConstitutionalError:
        for line in () if quiet else stays_out(open_batches(ledger), needed=True):
            click.echo(line, err=True)
        raise


def say_what_is_out(config: RunConfig, ledger: Path) -> None:
    """As a run goes on. One that does not ask by batches pays a second time for what is out."""
    by_batches = {model.name for model in config.models.values() if model.batch}
    for batch in open_batches(ledger):
        if batch.model in by_batches:
            click.echo(f"collecting a batch at {shown_batch(batch)}", err=True)
        else:
            click.echo(
                f"warning: a batch is out at {shown_batch(batch)}. This run does not ask that model by batches: what it "
                "needs of these is asked and paid again; add --batch to collect them",
                err=True,
            )
