"""Do the judge's probabilities mean what they say, and a map that makes them so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from constitutional.audit.resample import mean_of, statistic_of
from constitutional.audit.verdict import EVEN, Verdict
from constitutional.config.judge_card import Bin, Calibration, Fit
from constitutional.core.digest import random_for
from constitutional.core.stats.calibration import choose
from constitutional.core.stats.reliability import cross_entropy, ece, reliability

FEWEST = 30
"""Labels under which a map would be fitted to noise."""
BINS = 20
"""Over 0 to 1, so ten over the confidences ½ to 1."""


class Point(NamedTuple):
    prompt: str
    p: float
    outcome: float
    """The share of people who prefer a."""


def calibration(verdicts: Sequence[Verdict], seed: int) -> Calibration:
    """Two halves by prompt: on each is reported what was chosen and fitted on the other. What is saved is fitted on all."""
    points = [Point(v.prompt_id, v.p, v.pair.share) for v in verdicts if v.p is not None and v.p != EVEN]
    before = fit_of([(point, point.p) for point in points])
    if len(points) < FEWEST:
        few = f"{len(points)} labels with a verdict: a calibration needs {FEWEST}; probabilities stay as they are"
        return Calibration(before=before, note=few)
    first, second = halves(points, seed)
    after = [*_mapped(first, second, seed), *_mapped(second, first, seed)]
    saved, losses = choose([point.p for point in points], [point.outcome for point in points], seed=seed)
    return Calibration(
        kind=saved.kind,
        parameters=list(saved.parameters),
        knots=list(saved.knots),
        losses=losses,
        before=before,
        after=fit_of(after),
        note="calibrated: measured on labels that took no part in the fit (two halves by prompt, each judged by the map "
        "chosen and fitted on the other); the map saved here is fitted on all labels",
    )


def _mapped(own: Sequence[Point], other: Sequence[Point], seed: int) -> list[tuple[Point, float]]:
    """What the map chosen and fitted on the other half makes of this one."""
    calibrator, _ = choose([point.p for point in other], [point.outcome for point in other], seed=seed)
    return [(point, calibrator(point.p)) for point in own]


def halves(points: Sequence[Point], seed: int) -> tuple[list[Point], list[Point]]:
    """As even as prompts allow, and no prompt in both."""
    prompts = sorted({point.prompt for point in points}, key=lambda prompt: random_for(seed, prompt, "half").random())
    counts = dict.fromkeys(prompts, 0)
    for point in points:
        counts[point.prompt] += 1
    first, size = set(), 0
    for prompt in prompts:
        if size + counts[prompt] <= (len(points) + 1) // 2:
            first.add(prompt)
            size += counts[prompt]
    return [p for p in points if p.prompt in first], [p for p in points if p.prompt not in first]


def fit_of(points: Sequence[tuple[Point, float]]) -> Fit | None:
    """Of (point, P as it would be used). A verdict is a confidence in its side: which answer is called a means nothing."""
    sided = [(point.prompt, _sided(p, point.outcome)) for point, p in points]
    error = statistic_of(sided, _ece, effort=4, centred=True)
    squared = mean_of((prompt, (c - right) ** 2) for prompt, (c, right) in sided)
    loss = mean_of((prompt, cross_entropy(c, right)) for prompt, (c, right) in sided)
    if error is None or squared is None or loss is None:
        return None
    cells = reliability([c for _, (c, _) in sided], [right for _, (_, right) in sided], BINS)
    bins = [Bin(said=cell.mean_p, so=cell.rate, count=cell.count) for cell in cells]
    return Fit(ece=error, brier=squared, log_loss=loss, bins=bins)


def _sided(p: float, outcome: float) -> tuple[float, float]:
    return (p, outcome) if p >= EVEN else (1 - p, 1 - outcome)


def _ece(sided: Sequence[tuple[float, float]]) -> float | None:
    return ece([c for c, _ in sided], [right for _, right in sided], BINS)
