"""Which loss suits the data: ``--loss auto``. Pure: figures in, a choice and its reason out.

IPO pulls each margin to a target and stops there. That is what a few, or noisy, labels need: DPO goes on pushing a pair
apart whatever it was worth, and so learns the noise. Where labels agree and there are many, DPO learns more from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

CONSISTENCY, P_CHOSEN, MARGIN = "order_consistency", "p_chosen", "margin"


class Label(NamedTuple):
    """What a pair says of itself; ``consistency`` is None where it does not say."""

    p: float
    margin: float
    consistency: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the pairs that can be used, training and held out."""

    pairs: int
    mean_p: float
    mean_margin: float
    agreement: float | None
    """How far the labels agree with themselves: the mean of `order_consistency` over the pairs that have it; where none
    has, the mean of `p_chosen`, which is how often the same judge would label a pair the same way again; None without
    either column."""
    agreement_from: str
    strength: float | None
    """How clear the labels are: the mean `margin`; without that column the mean of 2·p_chosen − 1; None without both."""
    strength_from: str

    @classmethod
    def of(cls, labels: Sequence[Label], *, soft: bool, margins: bool) -> Figures:
        """``soft``: the data has `p_chosen`; ``margins``: it has `margin`."""
        if not labels:
            return cls(0, 1.0, 1.0, None, "", None, "")
        mean_p, mean_margin = fmean(label.p for label in labels), fmean(label.margin for label in labels)
        kept = [label.consistency for label in labels if label.consistency is not None]
        agreement, agreement_from = (fmean(kept), CONSISTENCY) if kept else (mean_p, P_CHOSEN)
        known = bool(kept) or soft
        strong = margins or soft
        return cls(
            len(labels), mean_p, mean_margin,
            agreement if known else None, agreement_from if known else "",
            mean_margin if strong else None, (MARGIN if margins else P_CHOSEN) if strong else "",
        )  # fmt: skip


class Thresholds(NamedTuple):
    agreement: float = 0.7
    size: int = 10_000
    strength: float = 0.9


class Advice(NamedTuple):
    loss: str
    why: str
    """One line, with every figure that had a say."""


def advise(figures: Figures, thresholds: Thresholds) -> Advice:
    """The first rule that holds decides; one whose figure is not known holds for nothing."""
    agreement, strength = figures.agreement, figures.strength
    if agreement is not None and agreement < thresholds.agreement:
        loss, because = "ipo", f"labels agree in less than {thresholds.agreement:g}"
    elif figures.pairs < thresholds.size:
        loss, because = "ipo", f"there are fewer than {thresholds.size:,} pairs"
    elif strength is not None and strength > thresholds.strength:
        loss, because = "dpo", f"labels are stronger than {thresholds.strength:g}"
    else:
        loss, because = "dpo", "labels agree and there are many"
    known = [
        _figure("label agreement", agreement, figures.agreement_from),
        f"{figures.pairs:,} pairs",
        _figure("label strength", strength, figures.strength_from),
    ]
    return Advice(loss, f"--loss auto took {loss}, since {because}: {', '.join(known)}")


def _figure(name: str, value: float | None, source: str) -> str:
    return f"{name} unknown" if value is None else f"{name} {value:.2f} (mean of {source})"
