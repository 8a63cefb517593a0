"""``reward-model``: the answer with the greater reward is better, P = σ(difference / scale), whatever the principle."""

from __future__ import annotations

from constitutional.builtin.reward_model import Rewards
from constitutional.core.constitution import Principle
from constitutional.core.records import Judgement, Prompt, Response
from constitutional.models.groups import together
from constitutional.roles import Setup


class RewardModelJudge:
    """Each answer is graded alone, so there is no order to be biased by."""

    def __init__(self, setup: Setup) -> None:
        self._rewards = Rewards(setup)

    async def judge(self, prompt: Prompt, a: Response, b: Response, principle: Principle) -> Judgement:
        first, second = await together([self._rewards.of(prompt, a), self._rewards.of(prompt, b)])
        p = self._rewards.p(first - second)
        return Judgement.of(a, b, principle.id, p, p, "reward", note=f"rewards {first:.4g} and {second:.4g}")
