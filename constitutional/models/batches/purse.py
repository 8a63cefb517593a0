"""What a batch costs, and how much of a budget is left while some are out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from constitutional.core.messages import Usage
from constitutional.models.meter import Meter, Price

SHARE = 0.5
"""What a batch costs, of the price of the same calls made directly: at OpenAI and at Anthropic."""


@dataclass(slots=True)
class Purse:
    """What is left of ``max_cost``, counting what is out as if every reply were as long as it may be."""

    meter: Meter
    price: Price
    out: float = 0.0

    def most(self, body: dict[str, Any], size: int) -> float:
        longest = int(body.get("max_tokens") or body.get("max_completion_tokens") or 0)
        return self.price.of(Usage(size // 3, longest, share=SHARE))

    @property
    def left(self) -> float | None:
        return None if self.meter.max_cost is None else self.meter.max_cost - self.meter.cost - self.out
