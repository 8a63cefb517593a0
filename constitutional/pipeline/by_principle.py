"""Principles with a critic or a judge of their own: the run's plugin answers for all others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from constitutional.core.constitution import Constitution, PluginUse, Principle
from constitutional.core.digest import canonical
from constitutional.core.records import Critique, Judgement, Prompt, Response
from constitutional.errors import ConfigError, ConstitutionalError
from constitutional.roles import Critic, Judge, settled

Make = Callable[[str, PluginUse], Any]
"""Makes a plugin of a kind."""


@dataclass(frozen=True, slots=True)
class CriticByPrinciple:
    usual: Critic
    own: Mapping[str, Critic]

    async def critique(self, prompt: Prompt, response: Response, principle: Principle) -> Critique:
        critic = self.own.get(principle.id, self.usual)
        return await settled(critic.critique(prompt, response, principle))


@dataclass(frozen=True, slots=True)
class JudgeByPrinciple:
    usual: Judge
    own: Mapping[str, Judge]

    async def judge(self, prompt: Prompt, a: Response, b: Response, principle: Principle) -> Judgement:
        judge = self.own.get(principle.id, self.usual)
        return await settled(judge.judge(prompt, a, b, principle))


def own_plugins(constitution: Constitution, make: Make) -> tuple[dict[str, Critic], dict[str, Judge]]:
    """The critics and the judges that principles name, by principle id; what is wrong with any is said at its place.
    Principles that ask for the same plugin with the same options share one."""
    made: dict[str, Any] = {}
    found: dict[str, dict[str, Any]] = {"critic": {}, "judge": {}}
    faults: list[str] = []
    for _, principle in constitution:
        for kind, use in (("critic", principle.critic), ("judge", principle.judge)):
            if use is None:
                continue
            key = canonical([kind, use.plugin, dict(use.options)])
            try:
                if key not in made:
                    made[key] = make(kind, use)
                found[kind][principle.id] = made[key]
            except ConstitutionalError as error:
                faults.append(f"{use.where}: {error}")
    if faults:
        raise ConfigError("\n".join(faults))
    return found["critic"], found["judge"]
