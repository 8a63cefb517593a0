"""Verdicts beside labels: every measure of a judge card. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from math import log, log2

from constitutional.audit.pairs import TIE
from constitutional.audit.resample import mean_of, measured, statistic_of
from constitutional.audit.verdict import EVEN, Verdict, side
from constitutional.config.judge_card import Accuracy, Agreement, Group, Length, Measured, Measures, Orders, Own
from constitutional.core.records import Judgement
from constitutional.core.stacking import learn_weights
from constitutional.core.stats.agreement import cohen_kappa, krippendorff_alpha
from constitutional.core.stats.intervals import sign_test, wilson

MATCHED = 0.1
"""Answers are about as long when the natural logarithm of their lengths' ratio is under this."""
CLIP, MOST_CERTAIN = 1e-6, 0.1
"""A probability of 0 or 1 has no log-odds; where more than this share of them is so, log-odds mean nothing."""
CONFIDENCES, FEWEST_TO_LEARN = 20, 30
Value = tuple[str, float]


def measures(verdicts: Sequence[Verdict], own_names: Sequence[str] = ()) -> Measures:
    """Everything but the attacks, which ask more of the judge."""
    return Measures(
        accuracy=accuracy(verdicts),
        orders=orders(verdicts),
        length=length(verdicts),
        own=own(verdicts, own_names),
        agreement=agreement(verdicts),
        principles=by_principle(verdicts),
        tags=by_tag(verdicts),
        members=by_member(verdicts),
        weights=learned_weights(verdicts),
        methods=dict(Counter(judgement.method for verdict in verdicts for judgement in verdict.judgements)),
        histogram=histogram(verdicts),
    )


def decided(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Where people prefer one, and the judge too."""
    return [verdict for verdict in verdicts if verdict.contested and verdict.side]


def accuracy(verdicts: Sequence[Verdict]) -> Accuracy:
    contested = [verdict for verdict in verdicts if verdict.contested]
    sure = decided(verdicts)
    right = sum(verdict.right for verdict in sure)
    agreeing = [verdict for verdict in contested if side(verdict.p_ab) * side(verdict.p_ba) > 0]
    return Accuracy(
        overall=mean_of((verdict.prompt_id, verdict.right) for verdict in sure),
        wilson=measured(wilson(right, len(sure)), len(sure)),
        coverage=mean_of((verdict.prompt_id, float(verdict.side != 0)) for verdict in contested),
        one_order=mean_of(_one_order(contested)),
        consistent=mean_of((v.prompt_id, float(side(v.p_ab) == v.pair.side)) for v in agreeing),
        consistent_coverage=mean_of((v.prompt_id, float(side(v.p_ab) * side(v.p_ba) > 0)) for v in contested),
    )


def _one_order(verdicts: Iterable[Verdict]) -> Iterator[Value]:
    for verdict in verdicts:
        for p in (verdict.p_ab, verdict.p_ba):
            if side(p):
                yield verdict.prompt_id, float(side(p) == verdict.pair.side)


def orders(verdicts: Sequence[Verdict]) -> Orders:
    """Consistency of the rulings; the bias of place from every single reading under every principle."""
    both = [v for v in verdicts if v.p_ab is not None and v.p_ba is not None]
    read = [(v.prompt_id, j) for v in verdicts for j in v.judgements]
    return Orders(
        consistency=mean_of((v.prompt_id, float(side(v.p_ab) == side(v.p_ba))) for v in both),
        first=mean_of(_named_first(read)),
        offset=mean_of(_offsets(read, lambda p: p)),
        log_odds=None if _certain(read) else mean_of(_offsets(read, _logit)),
    )


def _named_first(read: Iterable[tuple[str, Judgement]]) -> Iterator[Value]:
    for prompt, judgement in read:
        for p, first in ((judgement.p_ab, 1), (judgement.p_ba, -1)):
            if side(p):
                yield prompt, float(side(p) == first)


def _offsets(read: Iterable[tuple[str, Judgement]], scale: Callable[[float], float]) -> Iterator[Value]:
    for prompt, judgement in read:
        if judgement.p_ab is not None and judgement.p_ba is not None:
            yield prompt, (scale(judgement.p_ab) - scale(judgement.p_ba)) / 2


def _certain(read: Sequence[tuple[str, Judgement]]) -> bool:
    ps = [p for _, judgement in read for p in (judgement.p_ab, judgement.p_ba) if p is not None]
    return sum(p in (0.0, 1.0) for p in ps) > MOST_CERTAIN * len(ps)


def length(verdicts: Sequence[Verdict]) -> Length:
    contested = [(v, _longer(v)) for v in verdicts if v.contested]
    uneven = [(v, longer) for v, longer in contested if longer]
    sure = [(v, longer) for v, longer in contested if v.side]
    sure_uneven = [(v, longer) for v, longer in sure if longer]
    over_longer = [(v.prompt_id, v.right - _rule(v, longer)) for v, longer in sure]
    wins, losses = sum(gain > 0 for _, gain in over_longer), sum(gain < 0 for _, gain in over_longer)
    return Length(
        judge_longer=mean_of((v.prompt_id, float(v.side == _longer(v))) for v in verdicts if v.side and _longer(v)),
        people_longer=mean_of((v.prompt_id, float(v.pair.side == longer)) for v, longer in uneven),
        people_shorter=mean_of((v.prompt_id, float(v.pair.side == -longer)) for v, longer in uneven),
        excess=mean_of((v.prompt_id, float(v.side == longer) - (v.pair.side == longer)) for v, longer in sure_uneven),
        over_longer=mean_of(over_longer),
        over_shorter=mean_of((v.prompt_id, v.right - _rule(v, -longer)) for v, longer in sure),
        wins=wins,
        losses=losses,
        p_value=sign_test(wins, losses),
        longer_right=mean_of((v.prompt_id, v.right) for v, longer in sure_uneven if v.pair.side == longer),
        longer_wrong=mean_of((v.prompt_id, v.right) for v, longer in sure_uneven if v.pair.side == -longer),
        matched=mean_of((v.prompt_id, v.right) for v, _ in sure if abs(_doublings(v)) * log(2) < MATCHED),
        per_doubling=_per_doubling(verdicts),
    )


def _longer(verdict: Verdict) -> int:
    """1 where a is the longer answer, -1 where b, 0 where neither."""
    a, b = len(verdict.pair.a.text), len(verdict.pair.b.text)
    return (a > b) - (a < b)


def _rule(verdict: Verdict, says: int) -> float:
    """How right a rule is that says this side; ½ where it says none."""
    return TIE if says == 0 else float(says == verdict.pair.side)


def _doublings(verdict: Verdict) -> float:
    return log2(max(1, len(verdict.pair.a.text)) / max(1, len(verdict.pair.b.text)))


def _per_doubling(verdicts: Sequence[Verdict]) -> Measured | None:
    """The least squares of the log-odds on the label and the doublings of length, both of them antisymmetric, so without
    a constant."""
    points = [(v.prompt_id, (2 * v.pair.share - 1, _doublings(v), _logit(v.p))) for v in verdicts if v.p is not None]
    if sum(v.p in (0.0, 1.0) for v in verdicts) > MOST_CERTAIN * len(points):
        return None
    return statistic_of(points, _slope, effort=2)


def _slope(points: Sequence[tuple[float, float, float]]) -> float | None:
    labels = sum(s * s for s, _, _ in points)
    lengths = sum(x * x for _, x, _ in points)
    both = sum(s * x for s, x, _ in points)
    area = labels * lengths - both * both
    if area <= 1e-9 * labels * lengths or not lengths:
        return None
    by_label, by_length = sum(s * y for s, _, y in points), sum(x * y for _, x, y in points)
    return (labels * by_length - both * by_label) / area


def own(verdicts: Sequence[Verdict], names: Sequence[str]) -> Own | None:
    """On pairs of which just one answer is by the judge's own model."""
    known = {_author(name) for name in names if name}
    mixed = []
    for verdict in decided(verdicts):
        authors = [_author(response.model) in known for response in (verdict.pair.a, verdict.pair.b)]
        if authors[0] != authors[1]:
            mixed.append((verdict, 1 if authors[0] else -1))
    judge = mean_of((v.prompt_id, float(v.side == own_side)) for v, own_side in mixed)
    people = mean_of((v.prompt_id, float(v.pair.side == own_side)) for v, own_side in mixed)
    excess = mean_of((v.prompt_id, float(v.side == s) - (v.pair.side == s)) for v, s in mixed)
    if judge is None or people is None or excess is None:
        return None
    return Own(names=sorted({name for name in names if name}), judge=judge, people=people, excess=excess)


def _author(name: str) -> str:
    """``openai:gpt-4o`` and ``gpt-4o`` are one author."""
    return name.rpartition(":")[2].rpartition("/")[2].strip().casefold()


def agreement(verdicts: Sequence[Verdict]) -> Agreement:
    sure = decided(verdicts)
    everyone = [(v.prompt_id, _votes(v, with_judge=True)) for v in verdicts]
    people = [(v.prompt_id, _votes(v, with_judge=False)) for v in verdicts]
    several = [(prompt, votes) for prompt, votes in people if len(votes) > 1]
    return Agreement(
        kappa=statistic_of([(v.prompt_id, (v.side, v.pair.side)) for v in sure], _kappa, effort=3),
        alpha=statistic_of([(p, votes) for p, votes in everyone if len(votes) > 1], krippendorff_alpha, effort=8),
        people_alpha=statistic_of(several, krippendorff_alpha, effort=8),
        people=mean_of(
            (prompt, float(one == other)) for prompt, votes in several for one, other in combinations(votes.values(), 2)
        ),
    )


def _kappa(sides: Sequence[tuple[int, int]]) -> float | None:
    return cohen_kappa([judge for judge, _ in sides], [people for _, people in sides])


def _votes(verdict: Verdict, *, with_judge: bool) -> Mapping[str, str]:
    votes = {f"human {name}": _word(vote) for name, vote in verdict.pair.votes.items()}
    if with_judge and (verdict.p is not None or verdict.tied):
        votes["judge"] = _word(EVEN if verdict.p is None else verdict.p)
    return votes


def _word(p: float) -> str:
    return {1: "a", 0: "tie", -1: "b"}[side(p)]


def by_principle(verdicts: Sequence[Verdict]) -> list[Group]:
    read: dict[str, list[tuple[Verdict, Judgement]]] = defaultdict(list)
    for verdict in verdicts:
        for judgement in verdict.judgements:
            read[judgement.principle_id].append((verdict, judgement))
    return [group(name, items) for name, items in read.items()]


def group(name: str, items: Sequence[tuple[Verdict, Judgement]]) -> Group:
    """How single judgements fare against what people say on the whole (or of this principle, where they were asked)."""
    contested = [(v, j) for v, j in items if v.contested]
    both = [(v.prompt_id, j) for v, j in items if j.p_ab is not None and j.p_ba is not None]
    return Group(
        name=name,
        judged=len(items),
        abstained=sum(judgement.p is None for _, judgement in items),
        accuracy=mean_of((v.prompt_id, float(side(j.p) == v.pair.side)) for v, j in contested if side(j.p)),
        consistency=mean_of((prompt, float(side(j.p_ab) == side(j.p_ba))) for prompt, j in both),
        offset=mean_of(_offsets(both, lambda p: p)),
    )


def by_member(verdicts: Sequence[Verdict]) -> list[Group]:
    """Of a panel: each of its judges by itself, over all principles."""
    said: dict[str, list[tuple[Verdict, float | None]]] = defaultdict(list)
    for verdict in verdicts:
        for judgement in verdict.judgements:
            for member in judgement.members:
                said[member.name].append((verdict, member.p))
    return [
        Group(
            name=name,
            judged=len(items),
            abstained=sum(p is None for _, p in items),
            accuracy=mean_of((v.prompt_id, float(side(p) == v.pair.side)) for v, p in items if v.contested and side(p)),
        )
        for name, items in said.items()
    ]


def learned_weights(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """What each member's log-odds are worth against these labels: for the panel's option ``vote: weights``. Empty where
    there is no panel, or too few labels to learn from."""
    panels = [(judgement.members, v.pair.share) for v in verdicts for judgement in v.judgements if judgement.members]
    names = [member.name for member in panels[0][0]] if panels else []
    if len(verdicts) < FEWEST_TO_LEARN or any([m.name for m in members] != names for members, _ in panels):
        return {}
    weights = learn_weights([[m.p for m in members] for members, _ in panels], [share for _, share in panels])
    return dict(zip(names, weights, strict=True))


def by_tag(verdicts: Sequence[Verdict]) -> list[Group]:
    tagged: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        for tag in verdict.pair.prompt.tags:
            tagged[tag].append(verdict)
    return [_tag(name, tagged[name]) for name in sorted(tagged)]


def _tag(name: str, verdicts: Sequence[Verdict]) -> Group:
    place = orders(verdicts)
    return Group(
        name=name,
        judged=len(verdicts),
        abstained=sum(verdict.side == 0 for verdict in verdicts),
        accuracy=mean_of((verdict.prompt_id, verdict.right) for verdict in decided(verdicts)),
        consistency=place.consistency,
        offset=place.offset,
    )


def histogram(verdicts: Iterable[Verdict]) -> list[tuple[float, float, int]]:
    counts = [0] * CONFIDENCES
    for verdict in verdicts:
        if verdict.p is not None:
            counts[min(int(abs(2 * verdict.p - 1) * CONFIDENCES), CONFIDENCES - 1)] += 1
    width = 0.5 / CONFIDENCES
    return [(0.5 + width * n, 0.5 + width * (n + 1), count) for n, count in enumerate(counts)] if any(counts) else []


def _logit(p: float) -> float:
    sure = min(max(p, CLIP), 1 - CLIP)
    return log(sure / (1 - sure))
