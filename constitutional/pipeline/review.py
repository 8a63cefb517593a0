"""A model's opinion of how principles are written: what the linter's rules cannot see. Recorded like every call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from constitutional.config.run import RunConfig
from constitutional.core.constitution import Principle
from constitutional.core.messages import Sampling
from constitutional.ledger import Ledger, RunFolder
from constitutional.models.groups import leader_first
from constitutional.models.meter import Meter
from constitutional.pipeline.bind import recorded
from constitutional.pipeline.models import Models
from constitutional.plugins import PluginHost
from constitutional.roles import Model
from constitutional.templates import Template, Templates

FINE = "fine"


@dataclass(frozen=True, slots=True)
class Opinion:
    """A fault that the reviewer names, and the wording that it proposes instead."""

    principle: Principle
    fault: str
    better: str


async def review(
    principles: Sequence[Principle], config: RunConfig, folder: RunFolder, host: PluginHost, base: Path
) -> list[Opinion]:
    """One question per principle; those that the model finds fine are left out. The ledger makes a second review free."""
    ledger = Ledger(folder.ledger)
    try:
        models = Models(config, host, base)
        model = recorded(ledger, Meter(config.max_calls, config.max_cost), config)("critic", models)
        template = Templates(base).get("lint/review", frozenset({"principle"}))
        try:
            found = await leader_first([_Question(model, template, principle).ask for principle in principles])
        finally:
            await ledger.landed()
            await models.aclose()
        await ledger.flush()
    finally:
        ledger.close()
    return [opinion for opinion in found if opinion is not None]


@dataclass(frozen=True, slots=True)
class _Question:
    model: Model
    template: Template
    principle: Principle

    async def ask(self) -> Opinion | None:
        request = self.template.request(Sampling(temperature=0.0), principle=self.principle)
        lines = [line.strip() for line in (await self.model.chat(request)).text.splitlines() if line.strip()]
        if not lines or lines[0].strip(" .!*'\"`").casefold() == FINE:
            return None
        return Opinion(self.principle, lines[0], " ".join(lines[1:]))
