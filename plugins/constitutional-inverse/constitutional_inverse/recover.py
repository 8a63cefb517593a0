"""The whole way: preferences in, rules with their worth out. Every reply is recorded: the same again asks nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from constitutional import ConfigError, Model, Sampling, Templates, random_for, seed_for
from constitutional_inverse.choosing import HELPS, HURTS, SILENT, Rule, keep, recovered
from constitutional_inverse.proposing import merged, proposals_in
from constitutional_inverse.rows import Preference

HERE = Path(__file__).parent
SEEN = frozenset({"prompt", "first", "second"})
VERDICTS = ("A", "B", "neither")
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Settings:
    budget: int = 8
    """Most rules that are kept."""
    proposals: int = 3
    """Rules that are asked for per preference."""
    sample: int = 100
    """Preferences that rules are proposed from."""
    candidates: int = 40
    """Rules that are voted on, those proposed most often."""
    held_out: float = 0.25
    """Share of the preferences that only judges the result."""
    least: float = 0.02
    """A rule of less worth is left out."""
    seed: int = 0
    in_flight: int = 64


@dataclass(frozen=True, slots=True)
class Recovered:
    rules: tuple[Rule, ...]
    """Kept, the most worth first."""
    considered: int
    learned_from: int
    held_out: int
    coverage: float
    """Share of the held-out preferences on which the rules together say something."""
    accuracy: float
    """How often they are right there."""
    examples: dict[str, Preference]
    """Of each rule a preference that it explains."""


async def recover(
    preferences: Sequence[Preference], model: Model, settings: Settings, say: Progress = lambda line: None
) -> Recovered:
    shuffled = list(preferences)
    random_for(settings.seed, "inverse", "split").shuffle(shuffled)
    kept_out = round(len(shuffled) * settings.held_out)
    test, train = shuffled[:kept_out], shuffled[kept_out:]
    if not train:
        raise ConfigError("no preference is left to learn from: lower --held-out")
    asking = _Asking(model, settings)
    said = await asking.proposals(train[: settings.sample])
    candidates = merged(said)[: settings.candidates]
    say(f"{len(said)} proposals, {len(candidates)} different ones: voting on {len(train)} preferences")
    if not candidates:
        raise ConfigError("the model proposed no rule: its replies are in the run folder; try another model")
    votes = await asking.votes(candidates, train)
    rules = keep(
        [Rule(rule, row) for rule, row in zip(candidates, votes, strict=True)], settings.budget, settings.least
    )
    say(f"{len(rules)} rules kept: judging them on {len(test)} held-out preferences")
    tested = await asking.votes([rule.statement for rule in rules], test)
    named = [rule.statement for rule in rules]
    coverage, accuracy = recovered(
        {rule.statement: rule.worth for rule in rules}, dict(zip(named, tested, strict=True))
    )
    examples = {rule.statement: train[rule.votes.index(HELPS)] for rule in rules if HELPS in rule.votes}
    return Recovered(tuple(rules), len(candidates), len(train), len(test), coverage, accuracy, examples)


class _Asking:
    def __init__(self, model: Model, settings: Settings) -> None:
        templates = Templates()
        self._model = model
        self._settings = settings
        self._free = asyncio.Semaphore(settings.in_flight)
        self._propose = templates.get(str(HERE / "propose.jinja"), SEEN | {"count"})
        self._vote = templates.get(str(HERE / "vote.jinja"), SEEN | {"rule"})

    async def proposals(self, preferences: Sequence[Preference]) -> list[str]:
        found = await self._all([self._proposed(number, one) for number, one in enumerate(preferences)])
        return [rule for rules in found for rule in rules]

    async def _proposed(self, number: int, one: Preference) -> list[str]:
        seed = seed_for(self._settings.seed, f"{number}", "propose")
        request = self._propose.request(
            Sampling(seed=seed),
            prompt=one.prompt,
            first=one.chosen,
            second=one.rejected,
            count=self._settings.proposals,
        )
        return proposals_in((await self._model.chat(request)).text)[: self._settings.proposals]

    async def votes(self, rules: Sequence[str], preferences: Sequence[Preference]) -> list[tuple[int, ...]]:
        """Rule by rule, a vote on every preference. One preference after the other is asked about: what its calls share
        stands first, and the rule last."""
        asked = [self._voted(rule, one) for one in preferences for rule in rules]
        found = await self._all(asked)
        return [tuple(found[place :: len(rules)]) for place in range(len(rules))]

    async def _voted(self, rule: str, one: Preference) -> int:
        """Both orders have to say the same: what a place in the text decides is no vote."""
        forward = await self._said(rule, one.prompt, one.chosen, one.rejected)
        backward = await self._said(rule, one.prompt, one.rejected, one.chosen)
        return {("A", "B"): HELPS, ("B", "A"): HURTS}.get((forward, backward), SILENT)

    async def _said(self, rule: str, prompt: str, first: str, second: str) -> str:
        request = self._vote.request(Sampling(temperature=0.0), prompt=prompt, first=first, second=second, rule=rule)
        choice = await self._model.choose(request, VERDICTS)
        return max(zip(choice.probabilities, VERDICTS, strict=True))[1] if choice.readable else "neither"

    async def _all(self, work: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
        async def one(item: Coroutine[Any, Any, Any]) -> Any:
            async with self._free:
                return await item

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(item)) for item in work]
        return [task.result() for task in tasks]
