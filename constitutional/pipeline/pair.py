"""rulings → pairs, or the reasons why not"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from constitutional.core.records import Judgement, Pair, Reason, Reject, Response, Ruling, Trace
from constitutional.core.ruling import ROUNDING
from constitutional.core.stats.calibration import Calibrator
from constitutional.roles import Filter, settled


async def pair_up(
    trace: Trace,
    proposed: Sequence[Ruling | Reject],
    values: Mapping[str, float | None],
    strategy: str,
    min_margin: float,
    filters: Sequence[Filter],
    calibrator: Calibrator | None = None,
) -> Trace:
    """The trace with a pair or a reject for every proposal. A tie, an abstention or a violator never becomes a label.
    ``calibrator`` makes of a ruling's p how often the judge is right when it says so; the ruling keeps what it said."""
    responses = {response.id: response for response in trace.responses}
    methods = _methods(trace.judgements)
    pairs: list[Pair] = []
    rejects: list[Reject] = list(trace.rejects)
    for ruling in proposed:
        if isinstance(ruling, Reject):
            rejects.append(ruling)
            continue
        method = "+".join(methods.get((ruling.a, ruling.b), ()))
        made = _label(trace, ruling, responses, values, strategy, method, calibrator)
        if isinstance(made, Pair):
            made = await _kept(made, trace, min_margin, filters)
        if isinstance(made, Pair):
            pairs.append(made)
        else:
            rejects.append(made)
    if not proposed and not any(reject.failure for reject in rejects):
        sound = bool(trace.critiques) and not trace.revisions
        reason = Reason.NO_REVISION if sound else Reason.NO_COMPARISON
        detail = "no answer violates a principle" if sound else f"{strategy} proposed no comparison"
        rejects.append(Reject(trace.prompt.id, reason, detail))
    return replace(trace, pairs=tuple(pairs), rejects=tuple(rejects))


def _methods(judgements: Iterable[Judgement]) -> dict[tuple[str, str], dict[str, None]]:
    """How the verdicts on each two answers were read, each way once: a principle may have a judge of its own. Abstentions
    count only where there is nothing else."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for judgement in sorted(judgements, key=lambda judgement: judgement.p is None):
        ways = found.setdefault((judgement.a, judgement.b), {})
        if judgement.p is not None or not ways:
            ways[judgement.method] = None
    return found


def _label(
    trace: Trace,
    ruling: Ruling,
    responses: Mapping[str, Response],
    values: Mapping[str, float | None],
    strategy: str,
    method: str,
    calibrator: Calibrator | None,
) -> Pair | Reject:
    a, b, prompt_id = responses[ruling.a], responses[ruling.b], trace.prompt.id
    between = f"{a.id} and {b.id}"
    if ruling.p is None:
        reason = Reason.TIE if ruling.per_tier else Reason.ABSTAINED
        return Reject(prompt_id, reason, f"{between}: {ruling.abstained_because}")
    if ruling.p == 0.5:
        return Reject(prompt_id, Reason.TIE, f"{between}: p = 0.5")
    chosen, rejected = (a, b) if ruling.p > 0.5 else (b, a)
    if chosen.id in trace.unresolved:
        return Reject(prompt_id, Reason.UNRESOLVED, f"{chosen.id} violates a hard principle")
    raw = max(ruling.p, 1 - ruling.p)
    p_chosen = raw if calibrator is None or ruling.vetoed_by is not None else calibrator.confidence(raw)
    if p_chosen <= 0.5 + ROUNDING:
        # Below one half the judge is more often wrong than right when it says so: that is no label, least of all the
        # opposite one.
        return Reject(prompt_id, Reason.TIE, f"{between}: p = {raw:.3f} is {p_chosen:.3f} after calibration")
    return Pair(
        prompt_id, chosen, rejected, p_chosen, 2 * p_chosen - 1, strategy, ruling, method,
        values.get(chosen.id), values.get(rejected.id),
    )  # fmt: skip


async def _kept(pair: Pair, trace: Trace, min_margin: float, filters: Sequence[Filter]) -> Pair | Reject:
    between = f"{pair.chosen.id} over {pair.rejected.id}"
    if pair.chosen.text == pair.rejected.text:
        return Reject(pair.prompt_id, Reason.IDENTICAL, between)
    if pair.margin < min_margin - ROUNDING:
        return Reject(pair.prompt_id, Reason.BELOW_MARGIN, f"{between}: margin {pair.margin:.3f} < {min_margin:g}")
    for check in filters:
        dropped = await settled(check.check(pair, trace))
        if dropped is not None:
            return Reject.of(pair.prompt_id, dropped, between)
    return pair
