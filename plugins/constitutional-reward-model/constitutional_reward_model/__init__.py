"""A scorer over a reward model of Hugging Face: sequence classification with one output, σ(reward / scale).

What it shows: options that are checked, work that is recorded (`setup.remember`), a model whose content is part of the plan
(`setup.depends`), and torch imported by nobody before the first question."""

from __future__ import annotations

import math
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from constitutional import Principle, Prompt, Register, Response, Score, Setup, hookimpl
from constitutional_reward_model.batches import Batches
from constitutional_reward_model.checkpoint import Checkpoint, fingerprint

plugin_api = (1, 0)


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")

    checkpoint: str = Field(description="A model folder, or a name on the Hub: sequence classification with one label.")
    revision: str | None = Field(default=None, description="Revision on the Hub.")
    scale: float = Field(default=1.0, gt=0, description="Score = 1 / (1 + exp(-reward / scale)).")
    max_batch: int = Field(default=16, ge=1, description="Most answers in one batch.")


class HFRewardScorer:
    """The reward depends on the dialogue and the answer and not on the principle: each answer is graded once."""

    def __init__(self, setup: Setup) -> None:
        options: Options = setup.options
        local = setup.base / options.checkpoint
        where = str(local) if local.is_dir() else options.checkpoint
        self._scale = options.scale
        self._remember = setup.remember
        # A folder is named by its content: trained again it is another model, and moved it is the same.
        self._identity = fingerprint(Path(where)) if local.is_dir() else f"{where}@{options.revision or 'main'}"
        setup.depends(self._identity)
        self._batches = Batches(Checkpoint(where, options.revision).rewards, options.max_batch)

    async def score(self, prompt: Prompt, response: Response, principle: Principle) -> Score:
        async def work() -> float:
            return await self._batches.reward(prompt.messages, response.text)

        question = [self._identity, prompt.messages, response.text]
        reward = await self._remember(question, work, assumed=0.0, complete=True)
        if not math.isfinite(reward):
            return Score(response.id, principle.id, None, "hf-reward", note="the reward is no number")
        value = 0.5 * (1 + math.tanh(reward / self._scale / 2))
        return Score(response.id, principle.id, value, "hf-reward", note=f"reward {reward:.4g}")


@hookimpl
def register_scorers(register: Register) -> None:
    register("hf-reward", HFRewardScorer, config=Options)
