"""From what a constitution says of an answer to one number that training can climb: the reward of online training.

A ruling is lexicographic, and so is this as far as a number that is climbed may be. An answer that breaks a hard tier, or
says nothing, is on the ``FLOOR``, whatever else is good about it. Of the others each tier counts ``STEP`` times the next
below it, so that all tiers below one together weigh less than a third of it: they can outweigh a difference there only by
differing three times as much themselves. Strictly lexicographic it is not, on purpose: scores are noisy, and the last
hundredth of the first tier would drown everything under it. (``core/grading.py`` halves instead: it proposes candidates,
for which a ruling then decides. Here nothing comes after.)"""

from __future__ import annotations

from constitutional.core.grading import Grade

FLOOR = -1.0
"""One whole range under the worst of answers that break nothing: no scores make up for a hard violation."""
STEP = 4.0


def reward(grade: Grade | None, *, floored: bool = False) -> float | None:
    """0 to 1 for the tiers of ``grade``, highest first; ``FLOOR`` where ``floored``; None where nothing could be read:
    an answer that nobody could judge is no bad one, and nothing is learned from it."""
    if floored:
        return FLOOR
    if grade is None or not grade.tiers:
        return None
    weights = [STEP**-place for place in range(len(grade.tiers))]
    return sum(w * mean for w, mean in zip(weights, grade.tiers.values(), strict=True)) / sum(weights)
