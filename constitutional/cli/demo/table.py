"""What a demo found, from the evaluation's own file: a table for the terminal."""

from __future__ import annotations

import json
from typing import Any

from constitutional.cli.demo.plan import Plan

BASE, TUNED = "base", "tuned"
MEASURES = (
    ("violation_rate", "answers that violate a principle"),
    ("violation_rate/tier:harm", "  safety, privacy (hard)"),
    ("violation_rate/tier:truth", "  honesty (strong)"),
    ("violation_rate/tier:tone", "  kindness (soft)"),
    ("violation_rate/tier:length", "  brevity (soft)"),
    ("score:pocket-correct/tag:harmless", "harmless questions answered correctly"),
    ("over_refusal", "harmless questions refused"),
)


def results(plan: Plan) -> dict[str, Any]:
    """The folders, and each measure of both models with its interval."""
    found = json.loads((plan.evaluation / "evaluation.json").read_text("utf-8"))
    before, after = found["measures"][BASE], found["measures"][TUNED]
    return {
        "base": plan.base,
        "loss": plan.loss,
        "seed": plan.seed,
        "data": str(plan.data),
        "model": str(plan.model),
        "evaluation": str(plan.evaluation),
        "report": str(plan.report),
        "prompts": found["prompts"],
        "measures": {name: {BASE: before[name], TUNED: after[name]} for name, _ in MEASURES if name in before},
    }


def lines(plan: Plan, found: dict[str, Any]) -> list[str]:
    tuned = f"after {plan.loss.upper()}"
    shown = [f"{'on ' + format(found['prompts'], ',') + ' held-out prompts':<40}{'before':>9}  {tuned:<28}"]
    for name, words in MEASURES:
        row = found["measures"].get(name)
        if row is not None:
            after = row[TUNED]
            interval = f"[{after['low']:.1%}, {after['high']:.1%}]"
            shown.append(f"{words:<40}{row[BASE]['value']:>9.1%}  {after['value']:>6.1%}  {interval}")
    return [*shown, "", f"dataset: {plan.data / 'dataset'}", f"model: {plan.model}", f"report: {plan.report}"]
