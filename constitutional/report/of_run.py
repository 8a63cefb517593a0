"""The part of a report that shows a run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from constitutional.config.judge_card import Fit, JudgeCard, card_from
from constitutional.core.analysis import PrincipleStats
from constitutional.core.records import Reason
from constitutional.core.watch import Watch, warnings
from constitutional.dataset.lengths import length_rows, length_series
from constitutional.dataset.tally import Tally
from constitutional.errors import ConstitutionalError
from constitutional.ledger.labels import human_labels
from constitutional.pipeline.opened import OpenRun
from constitutional.plots.charts import Bar, Cell, Series, bars, histogram, lines, reliability
from constitutional.plots.compared import compared
from constitutional.plots.flow import flow
from constitutional.plots.matrix import matrix
from constitutional.plots.page import Table
from constitutional.plots.svg import number
from constitutional.report.figures import NARROW, WIDE, Figure, Part, Section, Tile, digits, percent
from constitutional.report.spending import Spending, spending
from constitutional.report.survey import CLASSES, OFFSETS, Survey

CARD = "judge-card.json"
MOST_TILES = 24
"""Principles that a plot shows; its table shows them all."""


def run_part(run: OpenRun) -> Part:
    found = survey(run)
    spent, card = spending(run.view), _card(run)
    sections = [
        Section("What became of the prompts", [_flow(found), *_reasons(found)]),
        Section("The labels", list(_labels(found))),
        Section("Revision", list(_revision(found))),
        Section("The judge", [*_orders(found), *_conflicts(found), *_calibration(card)]),
        Section("What it cost", list(_cost(spent))),
    ]
    constitution = found.constitution
    name = f"{run.folder.path.name}: {constitution.name} {constitution.version}"
    notes = warnings(found.tally.watch.findings(run.config.watch))
    if found.tally.pairs and card is None:
        notes = ["Nobody has measured this judge: constitutional audit makes its card.", *notes]
    shown = tuple(section for section in sections if section.figures)
    return Part("run", name, _tiles(found, spent), shown, tuple(notes))


def survey(run: OpenRun) -> Survey:
    """One pass over the traces of the run, and the lines that were no prompt."""
    found = Survey(run.constitution, Tally(watch=Watch(human_labels(run.view))))
    for trace in run.traces():
        found.add(trace)
    for _, _, reason, _, failure in run.view.bad_rows():
        found.bad_row(reason, bool(failure))
    return found


def _card(run: OpenRun) -> JudgeCard | None:
    """The one that calibrated the labels, else the one that stands beside the run."""
    saved = run.view.meta("judge_card")
    path = run.folder.path / CARD
    try:
        if saved:
            return card_from(json.loads(saved), str(path))
        return card_from(json.loads(path.read_bytes()), str(path)) if path.is_file() else None
    except (ValueError, OSError, ConstitutionalError):
        return None


def _tiles(found: Survey, spent: Spending) -> list[Tile]:
    tally, (read, written) = found.tally, spent.tokens
    tiles = [
        Tile(f"{tally.prompts:,}", "prompts", f"{percent(tally.paired, tally.prompts)} gave a pair"),
        Tile(f"{tally.pairs:,}", "pairs", f"{tally.vetoes:,} by a veto" if tally.vetoes else ""),
        Tile(digits(tally.p_chosen / tally.pairs if tally.pairs else None), "mean p_chosen"),
        Tile(percent(tally.longer, tally.pairs), "longer is chosen", "of pairs"),
        Tile(f"{spent.calls:,}", "calls", f"{_duration(spent.worked)} of work"),
        Tile(_short(read + written), "tokens", f"{_short(written)} written"),
    ]
    return [*tiles, Tile(f"{spent.cost:,.2f}", "cost")] if spent.cost else tiles


def _flow(found: Survey) -> Figure:
    flows = found.flows()
    rows = [(start, end, f"{count:,}") for ((_, start), (_, end)), count in flows.items()]
    return Figure(
        "flow",
        "From prompts to pairs",
        "Every prompt takes one way from left to right. The width of a band is how many did.",
        Table(("from", "to", "prompts"), rows),
        flow("From prompts to pairs", flows, width=WIDE),
        True,
    )


def _reasons(found: Survey) -> Iterator[Figure]:
    for name, title, caption, counts in (
        ("rejects", "Why there is no pair", "Everything that did not become a pair, by reason.", _no_pair(found)),
        ("revisions-dropped", "Why revisions were not kept", "Their prompts may have a pair.", _dropped(found)),
    ):
        if counts:
            drawn = [Bar(reason, count, note=f"{count:,}") for reason, count in counts.most_common(14)]
            rows = [(reason, f"{count:,}") for reason, count in counts.most_common()]
            plot = bars(title, drawn, width=NARROW)
            yield Figure(name, title, caption, Table(("reason", "count"), rows), plot)


def _no_pair(found: Survey) -> Counter[str]:
    return Counter({name: count for name, count in found.tally.rejects.items() if name not in Reason.OF_REVISIONS})


def _dropped(found: Survey) -> Counter[str]:
    return Counter({name: count for name, count in found.tally.rejects.items() if name in Reason.OF_REVISIONS})


def _labels(found: Survey) -> Iterator[Figure]:
    tally = found.tally
    if not tally.pairs:
        return
    yield _histogram(
        "p-chosen",
        "How sure the labels are",
        "P(chosen is better) of every pair.",
        found.p_chosen,
        0.5,
        1.0,
        "p_chosen",
    )
    yield _histogram("margins", "Margins", "|2p − 1| of every pair.", found.margins, 0.0, 1.0, "margin")
    series = length_series(tally)
    plot = lines("lengths", series, x_title="characters", y_title="share of answers", around=(0.0,), width=NARROW)
    yield Figure(
        "lengths",
        "Length, chosen and rejected",
        "If chosen answers are much longer, training may learn length.",
        Table(("", "chosen", "rejected"), length_rows(tally)),
        plot,
    )
    for name, title, counts in (
        ("tiers", "Which tier decided", tally.tiers),
        ("strategies", "Strategies", tally.strategies),
    ):
        if len(counts) > 1 or name == "tiers":
            drawn = [Bar(key, count, note=f"{count:,}") for key, count in counts.most_common(12)]
            rows = [(key, f"{count:,}", percent(count, tally.pairs)) for key, count in counts.most_common()]
            yield Figure(name, title, "", Table(("", "pairs", "share"), rows), bars(title, drawn, width=NARROW))


def _histogram(
    name: str, title: str, caption: str, counts: Mapping[int, int], low: float, high: float, x_title: str
) -> Figure:
    width = (high - low) / CLASSES
    cells = [(low + width * at, low + width * (at + 1), counts.get(at, 0)) for at in range(CLASSES)]
    rows = [(digits(start), digits(end), f"{count:,}") for start, end, count in cells]
    plot = histogram(title, cells, x_title=x_title, y_title="pairs", width=NARROW)
    return Figure(name, title, caption, Table(("from", "to", "pairs"), rows), plot)


def _revision(found: Survey) -> Iterator[Figure]:
    checked = [stats for stats in found.principles.values() if stats.checked]
    if checked:
        drawn = [
            (one.id, (Bar("", one.violation_rate_before), Bar("", one.violation_rate_after)))
            for one in _most(checked, lambda one: one.violated_before)
        ]
        rows = [
            (
                one.id, one.tier, f"{one.checked:,}", percent(one.violated_before, one.checked),
                percent(one.violated_after, one.checked), f"{one.attempts:,}", percent(one.mended, one.attempts),
            )
            for one in checked
        ]  # fmt: skip
        head = ("principle", "tier", "answers checked", "violate it", "after revision", "revisions", "mended by them")
        yield Figure(
            "violations",
            "Violations before and after revision",
            "Share of sampled answers that the critic says violate a principle, and of the same answers when revision was "
            "done with them.",
            Table(head, rows),
            compared("violations", drawn, ("sampled", "after revision"), width=NARROW),
        )
    if sum(found.rounds.values()):
        counts = sorted(found.rounds.items())
        total = sum(found.rounds.values())
        drawn_rounds = [Bar(f"{n} rounds" if n != 1 else "1 round", count, note=f"{count:,}") for n, count in counts]
        shares = [(str(n), f"{count:,}", percent(count, total)) for n, count in counts]
        yield Figure(
            "rounds",
            "Rounds of revision",
            f"How often answers were revised; {found.unresolved:,} still violate a hard principle.",
            Table(("rounds", "answers", "share"), shares),
            bars("rounds", drawn_rounds, width=NARROW),
        )


def _orders(found: Survey) -> Iterator[Figure]:
    judged = [stats for stats in found.principles.values() if stats.judged]
    if not judged:
        return
    drawn = [
        Bar(one.id, one.swap_consistency, note=percent(one.consistent, one.judged))
        for one in _most(judged, lambda one: one.judged)
    ]
    rows = [
        (
            one.id, one.tier, f"{one.judged:,}", f"{one.unread:,}", digits(one.swap_consistency),
            digits(_offset(found, one.id)), digits(one.decisiveness), digits(one.agreement),
        )
        for one in judged
    ]  # fmt: skip
    head = (
        "principle",
        "tier",
        "judged",
        "unread",
        "keeps its side",
        "offset of the first",
        "mean |2p − 1|",
        "agrees with the ruling",
    )
    yield Figure(
        "order-consistency",
        "Does the judge keep its side when the order is swapped?",
        "Share of verdicts on the same side in both orders; half is chance.",
        Table(head, rows),
        bars("order consistency", drawn, reference=0.5, around=(0.0, 1.0), width=NARROW),
    )
    whole: Counter[int] = sum(found.offsets.values(), Counter())
    if whole:
        width = 1 / OFFSETS
        cells = [(-0.5 + width * at, -0.5 + width * (at + 1), whole[at]) for at in range(OFFSETS)]
        yield Figure(
            "first-place",
            "How far the first place is favoured",
            "Of every verdict, half the difference of its two readings: 0 does not look at the order.",
            Table(("from", "to", "verdicts"), [(digits(a), digits(b), f"{n:,}") for a, b, n in cells]),
            histogram("first place", cells, x_title="offset of P", y_title="verdicts", width=NARROW),
        )


def _offset(found: Survey, name: str) -> float | None:
    """To the width of a class."""
    counts = found.offsets.get(name)
    if not counts:
        return None
    return sum((-0.5 + (at + 0.5) / OFFSETS) * count for at, count in counts.items()) / sum(counts.values())


def _conflicts(found: Survey) -> Iterator[Figure]:
    if found.both:
        often = Counter(dict.fromkeys(found.principles, 0))
        for (name, _), count in found.both.items():
            often[name] += count
        names = [name for name in found.principles if name in {one for one, _ in often.most_common(12)} and often[name]]
        shares = {key: found.against[key] / count for key, count in found.both.items() if key[0] in names}
        rows = [
            (one, other, f"{count:,}", f"{found.against[one, other]:,}", percent(found.against[one, other], count))
            for (one, other), count in sorted(found.both.items(), key=lambda item: -found.against[item[0]])
            if one < other
        ]
        yield Figure(
            "conflicts",
            "Which principles pull apart",
            "Of the comparisons on which both take a side, the share on which they take opposite ones.",
            Table(("principle", "and", "both take a side", "opposite", "share"), rows),
            matrix("conflicts", names, names, shares, width=NARROW),
        )
    collisions = found.tally.collisions
    if collisions:
        drawn = [Bar(f"{over} ← {by}", count, note=f"{count:,}") for (over, by), count in collisions.most_common(10)]
        overruled = [(over, by, f"{count:,}") for (over, by), count in collisions.most_common()]
        yield Figure(
            "overruled",
            "Tiers that were overruled",
            "Pairs on which a lower tier clearly preferred the other answer: the lower tier, and the one that decided.",
            Table(("overruled", "by", "pairs"), overruled),
            bars("overruled", drawn, width=NARROW),
        )


def _calibration(card: JudgeCard | None) -> Iterator[Figure]:
    if card is None or not card.calibration.fits:
        return
    fits = card.calibration.fits
    plot = reliability("calibration", [(name, _cells(fit)) for name, fit in fits], width=NARROW)
    rows = [(name, digits(b.said), digits(b.so), f"{b.count:,}") for name, fit in fits for b in fit.bins]
    yield Figure(
        "calibration",
        "Do the judge's probabilities mean what they say?",
        f"From the judge card ({card.data.pairs:,} labels by people): on the diagonal they do.",
        Table(("", "says", "is so", "pairs"), rows),
        plot,
    )


def _cells(fit: Fit) -> list[Cell]:
    return [Cell(cell.said, cell.so, cell.count) for cell in fit.bins]


def _cost(spent: Spending) -> Iterator[Figure]:
    if not spent.roles:
        return
    drawn = [
        Bar(role.role, role.prompt + role.completion, note=_short(role.prompt + role.completion))
        for role in spent.roles
    ]
    rows = [
        (
            role.role, role.model, f"{role.calls:,}", f"{role.prompt:,}", f"{role.cached:,}", f"{role.completion:,}",
            f"{role.cost:.4f}", f"{role.seconds / role.calls:.3f}",
        )
        for role in spent.roles
    ]  # fmt: skip
    head = ("role", "model", "calls", "tokens in", "of them cached", "tokens out", "cost", "seconds a call")
    yield Figure(
        "tokens", "Tokens by role", "A call is counted for the role that asked it first.", Table(head, rows),
        bars("tokens", drawn, width=NARROW),
    )  # fmt: skip
    if any(role.cost for role in spent.roles):
        costs = [Bar(role.role, role.cost, note=number(role.cost)) for role in spent.roles]
        money = [(role.role, role.model, f"{role.cost:.4f}", percent(role.cost, spent.cost)) for role in spent.roles]
        yield Figure(
            "cost", "Cost by role", "In the unit of the prices that the run was given.",
            Table(("role", "model", "cost", "share"), money), bars("cost", costs, width=NARROW),
        )  # fmt: skip
    if len(spent.moments) > 1:
        points = [(one.at, one.calls / one.width) for one in spent.moments]
        rate = [
            (number(one.at), number(one.calls / one.width), number(one.tokens / one.width)) for one in spent.moments
        ]
        yield Figure(
            "throughput",
            "Throughput",
            "Calls answered a second, over the time in which the run was at work; pauses are left out.",
            Table(("second", "calls a second", "tokens written a second"), rate),
            lines(
                "throughput", [Series("calls a second", points)], x_title="seconds of work", y_title="calls a second",
                around=(0.0,), width=NARROW,
            ),
        )  # fmt: skip


def _most(stats: Sequence[PrincipleStats], weight: Callable[[PrincipleStats], int]) -> list[PrincipleStats]:
    """Those that matter most, in the order of the constitution."""
    kept = {one.id for one in sorted(stats, key=weight, reverse=True)[:MOST_TILES]}
    return [one for one in stats if one.id in kept]


def _short(count: int) -> str:
    for size, mark in ((10**9, "B"), (10**6, "M"), (10**4, "k")):
        if count >= size:
            unit = 1000 if mark == "k" else size
            return f"{count / unit:.1f}{mark}"
    return f"{count:,}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"
