"""The plan of a run bounds what the run then asks, and knows what its ledger holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from constitutional.config.run import RunConfig
from constitutional.core.records import Ruling
from constitutional.pipeline.estimate import Estimate, estimate
from constitutional.plugins import PluginHost, Register
from constitutional.roles import Arena, Needs, Setup
from tests.support.runs import Run, World, run, tier

RULES = (tier("safety", "hard", "bad"), tier("style", "soft", "rude"))
PROMPTS = ["a bad day", "a rude day", "a fine day", "a bad and rude day"]
STRATEGIES = ["revised-vs-initial", "best-vs-worst", "best-vs-random", "mu-minus-2-sigma", "max-margin", "all-pairs",
              "tournament", "pareto"]  # fmt: skip
GIVES_UP_NOTHING = World(respond=lambda question, sample: f"{question} {sample}")


@dataclass(frozen=True)
class Planned:
    before: Estimate
    made: Run
    after: Estimate

    def calls(self, loads: dict[str, Any]) -> int:
        return sum(load.calls for load in loads.values())


def planned(folder: Path, strategy: str, **settings: Any) -> Planned:
    """The estimate before a run, the run, and the estimate of the same run again."""
    settings |= {"strategy": strategy, "responses": 3}
    plans: list[Estimate] = []

    def plan(config: RunConfig, host: PluginHost, base: Path) -> None:
        plans.append(estimate(config, host, base, base / "run" / "run.db"))

    made = run(folder, PROMPTS, *RULES, world=GIVES_UP_NOTHING, before=plan, after=plan, **settings)
    return Planned(plans[0], made, plans[1])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_run_asks_more_than_its_plan_says_at_most_and_a_finished_one_asks_nothing(
    tmp_path: Path, strategy: str
) -> None:
    found = planned(tmp_path, strategy)
    assert found.made.result.pairs > 0
    assert 0 < found.made.result.calls_made <= found.calls(found.before.high)
    assert found.before.strategy.said
    assert found.calls(found.after.high) == found.calls(found.after.low) == 0
    judged = {len(trace.judgements) for trace in found.made.traces}
    assert max(judged) <= found.before.strategy.high.comparisons * 2, "two principles"


def test_a_strategy_of_which_nothing_is_known_is_bounded_by_all_that_there_is_to_ask(tmp_path: Path) -> None:
    class Silent:
        def __init__(self, setup: Setup) -> None:
            """It has no options."""

        async def pair(self, arena: Arena) -> Sequence[Ruling]:
            first, second, *_ = arena.responses
            return [await arena.compare(first, second)]

    def register_pairings(register: Register) -> None:
        register("silent", Silent)

    found = planned(tmp_path, "silent", plugin=[register_pairings])
    assert (found.before.strategy.said, found.before.strategy.low) == (False, Needs(0, 0))
    assert found.before.strategy.high == Needs(6, 15)
    assert found.made.result.calls_made <= found.calls(found.before.high)
    assert found.before.high["judge"].calls > 2 * 15


def test_a_plan_for_more_samples_is_made_from_fewer_prompts(tmp_path: Path) -> None:
    many = [f"a bad day {n}" for n in range(50)]
    plans: list[Estimate] = []

    def plan(config: RunConfig, host: PluginHost, base: Path) -> None:
        plans.append(estimate(config.model_copy(update={"responses": 30, "limit": None}), host, base))

    run(tmp_path, many, *RULES, before=plan, strategy="all-pairs", limit=1)
    (made,) = plans
    assert 1 <= made.sampled < 10
    assert made.prompts == 50
