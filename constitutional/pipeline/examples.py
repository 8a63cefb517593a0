"""The unit tests of a constitution: each principle's examples through the run's real critic and judge."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from constitutional.config.run import RunConfig
from constitutional.core.constitution import Example, Principle
from constitutional.core.digest import digest
from constitutional.core.records import Critique, Judgement, Message, Prompt, Response
from constitutional.errors import ModelError
from constitutional.ledger import Ledger, RunFolder
from constitutional.models.meter import Meter
from constitutional.pipeline.bind import recorded
from constitutional.pipeline.setup import assemble
from constitutional.pipeline.trace import ENDS_THE_RUN, Cast
from constitutional.plugins import PluginHost
from constitutional.roles import settled


@dataclass(frozen=True, slots=True)
class Outcome:
    """``p`` is the probability that was given to what the example says; a pass needs more than one half of it, and for a
    comparison the same side in both orders. None: it could not be read."""

    principle: str
    tier: str
    number: int
    kind: str
    """``upholds``, ``violates`` or ``better``."""
    passed: bool
    p: float | None
    detail: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class Tested:
    outcomes: tuple[Outcome, ...]
    calls_made: int
    calls_reused: int


async def run_examples(config: RunConfig, folder: RunFolder, host: PluginHost, base: Path) -> Tested:
    """All examples of the configured constitution. The folder's ledger makes a second run free. A principle is tested as
    in mode `tiered`, whatever the constitution's is: in `draw` a critic gives no verdict."""
    ledger = Ledger(folder.ledger)
    try:
        meter = Meter(config.max_calls, config.max_cost)
        assembly = assemble(config, host, base, recorded(ledger, meter, config), "tiered")
        try:
            outcomes = await asyncio.gather(
                *(
                    _outcome(assembly.cast, tier.id, principle, example, number)
                    for tier, principle in assembly.constitution
                    for number, example in enumerate(principle.examples, 1)
                )
            )
        finally:
            await ledger.landed()
            await assembly.models.aclose()
        await ledger.flush()
        return Tested(tuple(outcomes), meter.calls_made, meter.calls_reused)
    finally:
        ledger.close()


async def _outcome(cast: Cast, tier: str, principle: Principle, example: Example, number: int) -> Outcome:
    try:
        if example.verdict is not None:
            return await _checked(cast, tier, principle, example, number)
        return await _compared(cast, tier, principle, example, number)
    except ENDS_THE_RUN:
        raise
    except ModelError as error:
        kind = example.verdict or "better"
        return Outcome(principle.id, tier, number, kind, False, None, str(error), example.where)


async def _checked(cast: Cast, tier: str, principle: Principle, example: Example, number: int) -> Outcome:
    prompt = _prompt(example)
    critique: Critique = await settled(
        cast.critic.critique(prompt, _response(prompt, example.response or "", 0), principle)
    )
    wanted = example.verdict == "violates"
    p = critique.p_violates if critique.p_violates is None or wanted else 1 - critique.p_violates
    detail = critique.text if critique.violates else ""
    passed = critique.violates is wanted
    return Outcome(principle.id, tier, number, example.verdict or "", passed, p, detail, example.where)


async def _compared(cast: Cast, tier: str, principle: Principle, example: Example, number: int) -> Outcome:
    prompt = _prompt(example)
    better, worse = _response(prompt, example.better or "", 0), _response(prompt, example.worse or "", 1)
    judgement: Judgement = await settled(cast.judge.judge(prompt, better, worse, principle))
    passed = judgement.p is not None and judgement.p > 0.5 and judgement.consistent is True
    orders = [judgement.p_ab, judgement.p_ba]
    shown = " and ".join("unreadable" if p is None else f"{p:.2f}" for p in orders)
    return Outcome(
        principle.id, tier, number, "better", passed, judgement.p, f"P in both orders: {shown}", example.where
    )


def accuracy(outcomes: Sequence[Outcome]) -> float:
    return sum(outcome.passed for outcome in outcomes) / len(outcomes)


def _prompt(example: Example) -> Prompt:
    messages = (Message("user", example.prompt),)
    return Prompt(Prompt.id_of(messages), messages)


def _response(prompt: Prompt, text: str, sample: int) -> Response:
    return Response(f"{prompt.id}.{digest(text)[:8]}", prompt.id, text, "example", sample, "")
