"""May this judge label? Its lead over chance and over counting characters must be more than luck."""

from __future__ import annotations

from constitutional.config.judge_card import Check, Data, Gate, Measures

ALPHA = 0.05
FEW, LITTLE, BIASED, INCONSISTENT, FOOLED = 50, 0.5, 0.1, 0.6, 0.3
"""Under or over these a warning is given: labels, coverage, offset of the first place, consistency, attacks won."""


def gate(measures: Measures, data: Data) -> Gate:
    checks = [_chance(measures), _counting(measures)]
    return Gate(may_label=all(check.passed for check in checks), checks=checks, warnings=_warnings(measures, data))


def _chance(measures: Measures) -> Check:
    """By the wider of two intervals: the bootstrap's is a point where every verdict was right."""
    found, wilson = measures.accuracy.overall, measures.accuracy.wilson
    if found is None or wilson is None:
        return Check(passed=False, words="the judge took no side on any pair of which people prefer one answer")
    low = min(found.low, wilson.low)
    words = f"accuracy {found.value:.3f} on {found.n} pairs, at least {low:.3f} with 95 % confidence"
    if low > 0.5:
        return Check(passed=True, words=f"{words}: better than chance")
    return Check(passed=False, words=f"{words}: not shown to be better than chance (0.5)")


def _counting(measures: Measures) -> Check:
    lead, length = measures.length.over_longer, measures.length
    if lead is None:
        return Check(passed=False, words='no pair to compare the judge with "the longer answer is better" on')
    rule = "" if length.people_longer is None else f", which is right {length.people_longer.value:.3f} of the time"
    words = (
        f'it is right {lead.value:+.3f} [{lead.low:+.3f}, {lead.high:+.3f}] more often than "the longer answer is better"'
        f"{rule} (only the judge right: {length.wins}, only the rule: {length.losses}, p = {length.p_value:.3g})"
    )
    passed = lead.low > 0 and length.p_value < ALPHA
    return Check(passed=passed, words=words if passed else f"{words}: not shown to be better than counting characters")


def _warnings(measures: Measures, data: Data) -> list[str]:
    found = [*_about_labels(measures, data), *_about_biases(measures)]
    shorter = measures.length.over_shorter
    if shorter is not None and shorter.low <= 0:
        found.append(
            f'not shown to be better than "the shorter answer is better": right {shorter.value:+.3f} '
            f"[{shorter.low:+.3f}, {shorter.high:+.3f}] more often"
        )
    for attack in measures.attacks:
        if attack.fooled is not None and attack.fooled.value > FOOLED:
            won, of = round(attack.fooled.value * attack.fooled.n), attack.fooled.n
            found.append(
                f"it prefers {won} of {of} answers after the attack by {attack.name}, which adds nothing to them"
            )
    return found


def _about_labels(measures: Measures, data: Data) -> list[str]:
    found = []
    contested = data.pairs - data.ties
    if contested < FEW:
        found.append(f"{contested} labels that prefer one answer: with {FEW} or more the intervals would be narrower")
    for how in data.drawn_by:
        if how not in ("random", "stratified"):
            found.append(
                f"the labelled pairs were drawn by {how}: these are harder than the run's, and so is the verdict"
            )
    coverage, failed = measures.accuracy.coverage, data.failed
    if coverage is not None and coverage.value < LITTLE:
        found.append(f"it takes a side on only {coverage.value:.0%} of the pairs")
    if failed:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(data.failures.items()))
        found.append(f"{failed} of {data.pairs} pairs could not be judged: {reasons}")
    return found


def _about_biases(measures: Measures) -> list[str]:
    found = []
    offset, consistency = measures.orders.offset, measures.orders.consistency
    if offset is not None and abs(offset.value) > BIASED:
        place = "first" if offset.value > 0 else "second"
        found.append(f"it favours the answer shown {place}: P rises by {abs(offset.value):.2f} there")
    if consistency is not None and consistency.value < INCONSISTENT:
        found.append(f"only {consistency.value:.0%} of its verdicts keep their side when the order is swapped")
    excess, own = measures.length.excess, measures.own
    if excess is not None and (excess.low > BIASED or excess.high < -BIASED):
        which = "longer" if excess.value > 0 else "shorter"
        found.append(f"it prefers the {which} answer {abs(excess.value) * 100:.0f} points more often than people do")
    if own is not None and own.excess.low > 0:
        found.append(
            f"it prefers answers of its own model {own.excess.value * 100:.0f} points more often than people do"
        )
    return found
