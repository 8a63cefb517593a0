"""``reward-model``: σ(reward / scale), whatever the principle."""

from __future__ import annotations

from constitutional.builtin.reward_model import Rewards
from constitutional.core.constitution import Principle
from constitutional.core.records import Prompt, Response, Score
from constitutional.roles import Setup


class RewardModelScorer:
    def __init__(self, setup: Setup) -> None:
        self._rewards = Rewards(setup)

    async def score(self, prompt: Prompt, response: Response, principle: Principle) -> Score:
        reward = await self._rewards.of(prompt, response)
        return Score(response.id, principle.id, self._rewards.p(reward), "reward", note=f"reward {reward:.4g}")
