"""Rewards as the judge and the scorer of a reward model see them: recorded, so that a resumed run loads no model."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from constitutional.core.records import Prompt, Response
from constitutional.core.stats.regression import sigmoid
from constitutional.models.reward_model import RewardSetup, reward_model
from constitutional.roles import Setup


class RewardOptions(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model: str = Field(description="A model folder, or a name on the Hub: sequence classification with one label.")
    revision: str | None = Field(default=None, description="Revision on the Hub.")
    scale: float = Field(
        default=1.0, gt=0, description="P = 1 / (1 + exp(-d / scale)), d being the difference of rewards."
    )
    dtype: str = Field(default="auto", description="A torch dtype; `auto`: float32 on the CPU, else the checkpoint's.")
    device: str | None = Field(default=None, description="Default: `cuda` where there is one, else `cpu`.")
    max_batch: int = Field(default=16, ge=1, description="Most answers in one batch.")
    trust_remote_code: bool = Field(default=False, description="Let the model's repository run code of its own.")


class Rewards:
    """The reward depends on the dialogue and the answer alone, not on the principle: it is asked for once per answer."""

    def __init__(self, setup: Setup) -> None:
        options: RewardOptions = setup.options
        self._scale = options.scale
        self._remember = setup.remember
        self._model = reward_model(
            RewardSetup(
                str(setup.base / options.model) if (setup.base / options.model).is_dir() else options.model,
                options.revision,
                options.dtype,
                options.device,
                options.max_batch,
                options.trust_remote_code,
            )
        )
        self._identity = dict(self._model.identity)
        setup.depends(self._identity)

    async def of(self, prompt: Prompt, response: Response) -> float:
        async def work() -> float:
            return await self._model.reward(prompt.messages, response.text)

        question = [self._identity, prompt.messages, response.text]
        return float(await self._remember(question, work, assumed=0.0, complete=True))

    def p(self, difference: float) -> float:
        return sigmoid(difference / self._scale)
