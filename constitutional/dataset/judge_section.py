"""What the card says of the judge that labelled: its judge card in a table."""

from __future__ import annotations

from constitutional.config.judge_card import JudgeCard
from constitutional.dataset.markdown import bullets, inert, table

UNMEASURED = "Not measured against people (`constitutional audit` does it)."


def judge_section(judge: JudgeCard | None, *, accepted: bool) -> str:
    if judge is None:
        return UNMEASURED
    found, calibration = judge.measures, judge.calibration
    rows = [
        ("accuracy against people, both orders", found.accuracy.overall),
        ("takes a side", found.accuracy.coverage),
        ("accuracy where both orders agree", found.accuracy.consistent),
        ("keeps its side when the order is swapped", found.orders.consistency),
        ("offset of the place shown first", found.orders.offset),
        ("the longer answer wins, by the judge", found.length.judge_longer),
        ("the longer answer wins, by people", found.length.people_longer),
        ("Cohen's kappa with people", found.agreement.kappa),
        ("Krippendorff's alpha, people and judge", found.agreement.alpha),
        *((f"calibration error {when}", fit.ece) for when, fit in calibration.fits),
        *((f"fooled by {attack.name}", attack.fooled) for attack in found.attacks),
    ]
    measured = [
        (name, f"{one.value:.3f}", f"{one.low:.3f} to {one.high:.3f}", f"{one.n:,}")
        for name, one in rows
        if one is not None
    ]
    labels = (
        f"Measured on {judge.data.pairs:,} labelled pairs under the constitution {judge.constitution.name} "
        f"{judge.constitution.version}. `p_chosen` is calibrated by: {calibration.kind}; `p_raw` is what the judge said."
    )
    parts = (
        table(("measure", "value", "95 % interval", "n"), measured),
        inert(_verdict(judge, accepted=accepted)),
        labels,
        bullets(judge.gate.warnings),
    )
    return "\n\n".join(part for part in parts if part)


def _verdict(judge: JudgeCard, *, accepted: bool) -> str:
    if judge.gate.may_label:
        return "By its judge card it may label."
    reasons = "; ".join(check.words for check in judge.gate.checks if not check.passed)
    overruled = ", and whoever made this dataset overruled that (`--accept-bad-judge`)" if accepted else ""
    return f"**By its judge card it is unfit to label**{overruled}: {reasons}."
