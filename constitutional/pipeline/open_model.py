"""A model by its name, for tools beside the pipeline: recorded like a run's, so that the same command again asks nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from constitutional.config.run import RunConfig
from constitutional.ledger import Ledger, RunFolder
from constitutional.models.meter import Meter
from constitutional.pipeline.bind import recorded
from constitutional.pipeline.models import Models, check_budget
from constitutional.plugins import PluginHost
from constitutional.roles import Model


@asynccontextmanager
async def open_model(name: str, folder: Path, **entry: Any) -> AsyncIterator[Model]:
    """``provider:model``, as in a run file, with whatever else stands beside it there (``base_url``, ``options``, …). It
    answers greedily where a request says nothing else. Replies are kept in ``folder``."""
    config = RunConfig.model_validate({"models": {"judge": {"name": name, **entry}}})
    check_budget(config)
    models = Models(config, PluginHost(), Path.cwd())
    models.adapter("judge")
    run = RunFolder(folder)
    run.create()
    with run.lock():
        ledger = Ledger(run.ledger)
        try:
            yield recorded(ledger, Meter(), config)("judge", models)
            await ledger.landed()
        finally:
            await models.aclose()
            ledger.close()
