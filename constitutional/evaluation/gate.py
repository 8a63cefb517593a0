"""``violation_rate<0.05,over_refusal.high<0.02,win_rate@m2>0.6``: conditions that a model has to meet. Pure."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from constitutional.errors import UsageError, near_matches
from constitutional.evaluation.contenders import TUNED
from constitutional.evaluation.result import Condition, Measured

COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
BOUNDS = ("value", "low", "high")
_CONDITION = re.compile(r"\s*(?P<left>[^<>=]*?)\s*(?P<operator><=|>=|<|>)\s*(?P<number>[^<>=]*?)\s*")


class Wanted(NamedTuple):
    text: str
    measure: str
    bound: str
    """``value``, or an end of the interval."""
    model: str
    operator: str
    number: float


def parse_gate(text: str) -> list[Wanted]:
    """Raises UsageError that names the condition by its number and its words."""
    return [_condition(number, part) for number, part in enumerate(text.split(","), 1)]


def check_gate(gate: Sequence[Wanted], measures: Sequence[str], models: Sequence[str]) -> None:
    """That there are such measures and models, before anything is asked. A measure that exists and cannot be taken (no
    prompt has its tag) is no fault of the gate: its condition fails."""
    for number, wanted in enumerate(gate, 1):
        where = f"--gate, condition {number}, {wanted.text!r}"
        if wanted.model not in models:
            raise UsageError(f"{where}: no model {wanted.model!r}{near_matches(wanted.model, models)}")
        if wanted.measure not in measures:
            raise UsageError(f"{where}: no measure {wanted.measure!r}{near_matches(wanted.measure, measures)}")


def judge_gate(
    gate: Sequence[Wanted], measures: Mapping[str, Mapping[str, Measured]], not_measured: Mapping[str, str]
) -> list[Condition]:
    return [_judged(wanted, measures.get(wanted.model, {}).get(wanted.measure), not_measured) for wanted in gate]


def _condition(number: int, part: str) -> Wanted:
    where = f"--gate, condition {number}, {part.strip()!r}"
    form = "expected MEASURE<NUMBER, for example violation_rate<0.05 or win_rate.low>0.5"
    found = _CONDITION.fullmatch(part)
    if found is None or not found["left"]:
        raise UsageError(f"{where}: {form}")
    try:
        bar = float(found["number"])
    except ValueError as error:
        raise UsageError(f"{where}: {found['number']!r} is no number; {form}") from error
    left, _, model = found["left"].partition("@")
    measure, dot, bound = left.rpartition(".")
    if not dot or bound not in BOUNDS:
        measure, bound = left, "value"
    return Wanted(part.strip(), measure.strip(), bound, model.strip() or TUNED, found["operator"], bar)


def _judged(wanted: Wanted, found: Measured | None, not_measured: Mapping[str, str]) -> Condition:
    if found is None:
        why = not_measured.get(wanted.measure, "nothing was found for it")
        return Condition(wanted.text, wanted.model, wanted.measure, None, False, f"not measured: {why}")
    value = {"value": found.value, "low": found.low, "high": found.high}[wanted.bound]
    words = f"{wanted.measure} of {wanted.model} is {found.value:.4g} [{found.low:.4g}, {found.high:.4g}]"
    if wanted.bound != "value":
        words += f"; its {wanted.bound} end counts"
    passed = COMPARE[wanted.operator](value, wanted.number)
    return Condition(wanted.text, wanted.model, wanted.measure, value, passed, words)
