"""What an evaluation would ask, before it asks anything."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from typing import Any

from constitutional.core.constitution import Constitution
from constitutional.evaluation.ask import ask_all
from constitutional.evaluation.ready import prepare
from constitutional.evaluation.settings import EvaluateSettings
from constitutional.ledger import LedgerView, RunFolder
from constitutional.models.meter import Meter
from constitutional.pipeline.counting import Counting
from constitutional.pipeline.progress import Progress
from constitutional.plugins import PluginHost


async def plan(
    settings: EvaluateSettings, host: PluginHost, constitution: Constitution | None = None
) -> dict[str, Any]:
    """The same questions to models that only count; what the ledger holds is known."""
    ready = prepare(settings, host, constitution)
    folder = RunFolder(settings.where / settings.out)
    view = LedgerView(folder.ledger) if folder.started and not settings.fresh else None
    counting = Counting(worst=True, view=view)
    with view or contextlib.nullcontext():
        await ask_all(ready, ready.weigher(counting), lambda config: counting, Progress(Meter()))
    by_role = [
        {"role": role, **asdict(load)} for role, load in sorted(counting.loads.items()) if load.calls or load.known
    ]
    columns = ("calls", "known", "prompt_tokens", "completion_tokens", "cost")
    total = {column: sum(row[column] for row in by_role) for column in columns}
    return {"prompts": len(ready.prompts), "models": ready.names, **total, "by_role": by_role}
