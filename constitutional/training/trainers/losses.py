"""The losses of preference training with labels that are probabilities. Pure functions over tensors of one batch.

``delta`` is, per pair, how much more the policy has raised ``chosen`` over the reference than ``rejected``:
(log π(c) − log π_ref(c)) − (log π(r) − log π_ref(r)). ``p`` is P(chosen is better). With p = 1 each is the published loss,
and turning a pair round (chosen ↔ rejected, p → 1 − p) changes nothing, to the last bit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def dpo(delta: Tensor, p: Tensor, beta: float) -> Tensor:
    """−[p · log σ(βΔ) + (1 − p) · log σ(−βΔ)]: the cross-entropy of the label under the implied preference."""
    return -(p * logsigmoid(beta * delta) + (1 - p) * logsigmoid(-beta * delta))


def ipo(mean_delta: Tensor, p: Tensor, beta: float) -> Tensor:
    """(Δ̄ − (2p − 1) / 2β)², with Δ̄ from log-ratios averaged over each answer's tokens, as TRL has it."""
    return (mean_delta - (2 * p - 1) / (2 * beta)) ** 2


@dataclass(frozen=True, slots=True)
class Loss:
    """A weighted sum of both, each with its own β. Weights of 1 and 0 are the pure losses."""

    dpo_weight: float
    ipo_weight: float
    beta: float
    ipo_beta: float

    @classmethod
    def named(cls, name: str, *, beta: float, ipo_beta: float, alpha: float) -> Loss:
        weight = {"dpo": 1.0, "ipo": 0.0, "hybrid": alpha}[name]
        return cls(weight, 1 - weight, beta, ipo_beta)

    @property
    def reward_beta(self) -> float:
        """What turns a log-ratio into the reward that the loss implies."""
        return self.beta if self.dpo_weight else self.ipo_beta

    def __call__(self, delta: Tensor, mean_delta: Tensor, p: Tensor) -> Tensor:
        """One value per pair."""
        total = torch.zeros_like(delta)
        if self.dpo_weight:
            total = total + self.dpo_weight * dpo(delta, p, self.beta)
        if self.ipo_weight:
            total = total + self.ipo_weight * ipo(mean_delta, p, self.ipo_beta)
        return total
