"""What a run will ask, before it asks: the real pipeline over a sample of prompts, with models that only count.

Two passes bound it: one where no answer violates anything and one where every answer violates everything. Calls that the
ledger holds already are recognised and answered from it. A strategy is taken to ask as much as it says that it may: what
it would make of guessed answers means nothing."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from constitutional.config.run import ROLES, RunConfig
from constitutional.core.records import Prompt
from constitutional.ledger import LedgerView
from constitutional.models.groups import batching
from constitutional.pipeline.counting import Counting, Load
from constitutional.pipeline.driver import batch_window
from constitutional.pipeline.models import model_config
from constitutional.pipeline.planned import Padded, needs_of
from constitutional.pipeline.prompt_filters import PromptFilters
from constitutional.pipeline.prompts import count_prompts, read_prompts
from constitutional.pipeline.setup import assemble
from constitutional.pipeline.trace import Cast, trace_prompt
from constitutional.plugins import PluginHost
from constitutional.roles import Needs, PlannedPairing

SAMPLE = 50
ENOUGH = 20_000
"""Made-up answers after which the sample is large enough, though it has fewer prompts."""


class BatchPlan(NamedTuple):
    """How many batches one prompt waits for, one after another: where nothing is revised, and at most; and how many
    prompts are in work at once."""

    low: int
    high: int
    at_once: int

    def of(self, prompts: int) -> tuple[int, int]:
        """For so many prompts. No more than that, where none expires or is too large."""
        turns = max(1, -(-prompts // self.at_once))
        return self.low * turns, self.high * turns


class StrategyPlan(NamedTuple):
    """What the strategy asks of one prompt, where nothing is revised and where every answer is."""

    low: Needs
    high: Needs
    said: bool
    """False: it does not say; ``high`` is all that there is to ask, and ``low`` nothing."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """``low`` and ``high`` per role, over ``sampled`` prompts; ``prompts`` is how many there are, None if unknown."""

    prompts: int | None
    sampled: int
    low: dict[str, Load]
    high: dict[str, Load]
    models: dict[str, str]
    strategy: StrategyPlan
    batches: BatchPlan | None
    """None where no model is asked by batches."""

    @property
    def scale(self) -> float:
        """From the sample to the whole."""
        return 1.0 if self.prompts is None or not self.sampled else max(1.0, self.prompts / self.sampled)

    def total(self, loads: dict[str, Load], part: str) -> float:
        return sum(float(getattr(load, part)) for load in loads.values()) * self.scale


def estimate(config: RunConfig, host: PluginHost, base: Path, ledger: Path | None = None) -> Estimate:
    """From the first prompts. Reads ``ledger`` if there is one; calls no model and writes nothing."""
    view = LedgerView(ledger) if ledger is not None and ledger.exists() else None
    try:
        low, high = (_Pass.begin(config, host, base, worst, view) for worst in (False, True))
        sampled = asyncio.run(_follow(_prompts(config, base), (low, high)))
    finally:
        if view is not None:
            view.close()
    total = count_prompts(config.prompts or "-", base)
    if total is not None and config.limit is not None:
        total = min(total, config.limit)
    models = {role: model_config(config, role).name for role in ROLES}
    batches = BatchPlan(low.deepest, high.deepest, low.at_once) if low.batched else None
    return Estimate(total, sampled, low.loads, high.loads, models, _strategy(high.cast), batches)


@dataclass(slots=True)
class _Pass:
    """``worst``: every answer violates every principle."""

    cast: Cast
    filters: PromptFilters
    counting: Counting
    batched: bool
    at_once: int
    deepest: int = 0
    """Batches that one of the prompts waited for, one after another."""

    @classmethod
    def begin(cls, config: RunConfig, host: PluginHost, base: Path, worst: bool, view: LedgerView | None) -> _Pass:
        counting = Counting(worst, view)
        assembly = assemble(config, host, base, counting)
        batched = any(model_config(config, role).batch for role in ROLES)
        filters = PromptFilters(assembly.prompt_filters)
        return cls(assembly.cast, filters, counting, batched, batch_window(config, assembly))

    async def follow(self, prompt: Prompt) -> None:
        if self.filters.refusal(prompt) is not None:
            return
        pairing, before = self.cast.pairing, self.counting.guesses
        if self.counting.worst or isinstance(pairing, PlannedPairing):
            pairing = Padded(pairing, lambda: self.counting.guesses > before)
        waves = self.counting.waves.count
        with batching() if self.batched else contextlib.nullcontext():
            await trace_prompt(prompt, replace(self.cast, pairing=pairing))
        self.deepest = max(self.deepest, self.counting.waves.count - waves)

    @property
    def loads(self) -> dict[str, Load]:
        return {role: load for role, load in self.counting.loads.items() if load.calls or load.known}


async def _follow(prompts: Iterator[Prompt], passes: tuple[_Pass, _Pass]) -> int:
    """How many prompts were followed."""
    sampled = 0
    for prompt in itertools.islice(prompts, SAMPLE):
        for each in passes:
            await each.follow(prompt)
        sampled += 1
        if sum(each.counting.guesses for each in passes) > ENOUGH:
            break
    return sampled


def _strategy(cast: Cast) -> StrategyPlan:
    revised = cast.responses if cast.rounds else 0
    said = isinstance(cast.pairing, PlannedPairing)
    low = needs_of(cast.pairing, cast.responses, 0) if said else Needs(0, 0)
    return StrategyPlan(low, needs_of(cast.pairing, cast.responses, revised), said)


def _prompts(config: RunConfig, base: Path) -> Iterator[Prompt]:
    return (row for row in read_prompts(config.prompts or "-", base, config.limit) if isinstance(row, Prompt))
