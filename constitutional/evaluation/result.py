"""What an evaluation found. ``evaluation.json`` is this, and says what it means by itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from constitutional.whole import write_whole

FORMAT = 1
FILE = "evaluation.json"
Verdict = Literal["improved", "worse", "higher", "lower", "indistinguishable"]
"""``higher`` and ``lower`` are said of measures of which neither is better."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A value, the interval that holds the true one in 95 % of such evaluations, and from how many answers it is."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """``difference`` is the model's value less the base's (of a win rate: less one half), over the prompts that both
    answered. ``p_value`` is of the paired test, ``p_adjusted`` as it counts among all comparisons of its family."""

    model: str
    against: str
    measure: str
    difference: float
    low: float
    high: float
    p_value: float
    p_adjusted: float
    verdict: Verdict
    n: int


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of the gate. ``value`` is None where the measure was not taken, which does not pass."""

    condition: str
    model: str
    measure: str
    value: float | None
    passed: bool
    words: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    constitution: Mapping[str, Any]
    judge: Mapping[str, Any]
    critic: Mapping[str, Any]
    prompts: int
    models: list[Mapping[str, Any]]
    measures: Mapping[str, Mapping[str, Measured]]
    comparisons: list[Comparison]
    rating: Mapping[str, Any]
    about: Mapping[str, Mapping[str, Any]]
    """Measure → which way is better, and what it is."""
    not_measured: Mapping[str, str]
    """Measure → why there is none."""
    failures: Mapping[str, int]
    warnings: list[str]
    usage: Mapping[str, Any]
    gate: list[Condition] = field(default_factory=list)
    status: str = "complete"
    """``too-many-failures``: more prompts than allowed have an answer or a verdict missing."""

    @property
    def passed(self) -> bool:
        """Whether the gate is open: every condition holds, or there is none."""
        return all(condition.passed for condition in self.gate)

    def measure(self, model: str, name: str) -> Measured | None:
        return self.measures.get(model, {}).get(name)

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT} | asdict(self), indent=2, ensure_ascii=False) + "\n"

    def write(self, folder: Path) -> Path:
        path = folder / FILE
        write_whole(path, self.to_json())
        return path
