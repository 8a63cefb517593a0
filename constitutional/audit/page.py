"""A judge card to read: one HTML file with plots, made from the card alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from constitutional.config.judge_card import Bin, Fit, Group, JudgeCard, Measured
from constitutional.plots.charts import Bar, Cell, bars, histogram, reliability
from constitutional.plots.page import Table, bullets, figure, page, paragraph, section, table, verdict

Line = tuple[str, Measured | None, str]
"""Name, number, and what it means."""


def judge_page(card: JudgeCard) -> str:
    return page(
        f"Judge card: {card.name}",
        _verdict(card),
        _about(card),
        section("How often it is right", _accuracy(card)),
        section("What the order does", _orders(card)),
        section("What length does", _length(card)),
        _attacks(card),
        _own(card),
        section("Do its probabilities mean what they say?", _calibration(card)),
        section("Agreement", _agreement(card)),
        _groups("By principle", card.measures.principles),
        _groups("By tag", card.measures.tags),
        _groups("By member of the panel", card.measures.members),
        _weights(card),
        section("How this was made", _made(card)),
    )


def _verdict(card: JudgeCard) -> str:
    gate = card.gate
    words = "This judge may label." if gate.may_label else "This judge may not label."
    checks = [f"{'✓' if check.passed else '✗'} {check.words}" for check in gate.checks]
    warnings = paragraph("Worth knowing:") + bullets(gate.warnings) if gate.warnings else ""
    return verdict(words, bullets(checks), warnings, good=gate.may_label)


def _about(card: JudgeCard) -> str:
    data = card.data
    labels = f"{data.pairs:,} labelled pairs of {data.prompts:,} prompts from {', '.join(data.files)}"
    people = f"{len(data.annotators)} annotators" if len(data.annotators) > 1 else "one annotator"
    more = [
        f"{data.ties:,} of them ties",
        f"{data.of_run:,} made by the audited run" if data.of_run else "",
        f"{data.unlabelled:,} rows without a label" if data.unlabelled else "",
        f"{data.repeated:,} repeated rows" if data.repeated else "",
        f"{data.identical:,} rows with two equal answers" if data.identical else "",
    ]
    constitution = f"{card.constitution.name} {card.constitution.version}"
    return paragraph(
        f"Judged under {constitution}, in both orders. {labels}, by {people}: {', '.join(part for part in more if part)}."
    )


def _accuracy(card: JudgeCard) -> str:
    found, length = card.measures.accuracy, card.measures.length
    lines: list[Line] = [
        ("both orders", found.overall, "of the pairs on which it takes a side, how many are right"),
        ("one order alone", found.one_order, "the same of single readings"),
        ("where both orders agree", found.consistent, "only the verdicts that a swap does not change"),
        ('"the longer is better"', length.people_longer, "the rule that counts characters"),
        ('"the shorter is better"', length.people_shorter, "and its opposite"),
    ]
    coverage: list[Line] = [
        ("takes a side", found.coverage, "of the pairs on which people prefer one answer"),
        ("both orders agree", found.consistent_coverage, "of the same pairs"),
    ]
    note = paragraph("An abstention or an exact ½ is no verdict; ties of people are left out.")
    return _plot("accuracy", lines, "Accuracy against people", 0.5) + table(_table(coverage)) + note


def _orders(card: JudgeCard) -> str:
    found = card.measures.orders
    lines: list[Line] = [
        ("keeps its side", found.consistency, "of the pairs read in both orders"),
        ("names the first", found.first, "of single readings; 0.5 is no bias"),
        ("offset of the first place", found.offset, "by how much P rises for what is shown first; 0 is no bias"),
        ("the same in log-odds", found.log_odds, "for verdicts with probabilities"),
    ]
    return table(_table(lines))


def _length(card: JudgeCard) -> str:
    found = card.measures.length
    lines: list[Line] = [
        ("longer answer wins, by the judge", found.judge_longer, "of pairs whose lengths differ"),
        ("longer answer wins, by people", found.people_longer, "of pairs whose lengths differ"),
        ("right where the longer is better", found.longer_right, "accuracy"),
        ("right where the longer is worse", found.longer_wrong, "accuracy"),
        ("right where both are as long", found.matched, "accuracy, lengths within a tenth"),
    ]
    leads: list[Line] = [
        ("more often the longer than people", found.excess, "on the same pairs; 0 is no bias"),
        ('lead over "the longer is better"', found.over_longer, f"sign test p = {found.p_value:.3g}"),
        ('lead over "the shorter is better"', found.over_shorter, "on the same pairs"),
        ("log-odds per doubling of length", found.per_doubling, "with what people say held fixed; 0 is no bias"),
    ]
    return _plot("length", lines, "Length and the judge", 0.5) + table(_table(leads))


def _attacks(card: JudgeCard) -> str:
    attacks = card.measures.attacks
    if not attacks:
        return ""
    lines: list[Line] = [
        (attack.name, attack.fooled, f"{attack.abstained} unread" if attack.abstained else "") for attack in attacks
    ]
    words = paragraph("A good answer against itself with something worthless added: how often the judge prefers that.")
    return section("Can it be gamed?", words, _plot("fooled", lines, "Share of attacks that win", None))


def _own(card: JudgeCard) -> str:
    found = card.measures.own
    if found is None:
        return ""
    lines: list[Line] = [
        ("by the judge", found.judge, "its own model's answer wins"),
        ("by people", found.people, "the same, on the same pairs"),
        ("more often than people", found.excess, "0 is no bias"),
    ]
    return section("Does it prefer its own model?", paragraph(", ".join(found.names)), table(_table(lines)))


def _calibration(card: JudgeCard) -> str:
    found = card.calibration
    fits = found.fits
    if not fits:
        return paragraph(found.note or "no verdict with a probability")
    plot = reliability("reliability", [(name, _cells(fit)) for name, fit in fits])
    numbers = Table(("", "says", "is so", "pairs"), [row for name, fit in fits for row in _bins(name, fit.bins)])
    rows = [(name, _shown(fit.ece), _shown(fit.brier), _shown(fit.log_loss)) for name, fit in fits]
    losses = ", ".join(f"{kind} {loss:.4f}" for kind, loss in found.losses.items())
    parameters = ", ".join(f"{value:.4g}" for value in found.parameters) or (
        f"{len(found.knots)} knots" * bool(found.knots)
    )
    chosen = (
        f"Chosen: {found.kind}{parameters and f' ({parameters})'}. Cross-validated log loss: {losses}."
        if losses
        else ""
    )
    spread = histogram("confidence", card.measures.histogram, x_title="confidence in the side taken")
    counts = Table(("from", "to", "pairs"), [(f"{a:.3f}", f"{b:.3f}", str(n)) for a, b, n in card.measures.histogram])
    return "".join(
        [
            figure(plot, "Confidence in the side taken, and how often that side is right", numbers),
            table(Table(("", "expected calibration error", "Brier", "log loss"), rows)),
            paragraph(chosen) if chosen else "",
            paragraph(found.note),
            figure(spread, "How sure it is", counts) if card.measures.histogram else "",
        ]
    )


def _agreement(card: JudgeCard) -> str:
    found = card.measures.agreement
    lines: list[Line] = [
        ("Cohen's kappa", found.kappa, "judge and majority, beyond chance"),
        ("Krippendorff's alpha", found.alpha, "all annotators and the judge"),
        ("alpha of the annotators", found.people_alpha, "the ceiling: people among themselves"),
        ("annotators agree", found.people, "share of pairs of annotators with one label"),
    ]
    return table(_table(lines))


def _groups(title: str, groups: Sequence[Group]) -> str:
    if not groups:
        return ""
    lines: list[Line] = [(group.name, group.accuracy, "") for group in groups]
    rows = [
        (
            group.name,
            str(group.judged),
            str(group.abstained),
            _shown(group.accuracy),
            _shown(group.consistency),
            _shown(group.offset),
        )
        for group in groups
    ]
    head = ("", "judged", "no verdict", "accuracy", "keeps its side", "offset of the first place")
    return section(title, _plot(title, lines, "Accuracy", 0.5), table(Table(head, rows)))


def _weights(card: JudgeCard) -> str:
    weights = card.measures.weights
    rows = [(name, f"{weight:.4f}") for name, weight in weights.items()]
    words = paragraph("Of the members' log-odds, for the panel's option `vote: weights`; a member below chance gets 0.")
    return section("Learned weights of the panel", words, table(Table(("member", "weight"), rows))) if weights else ""


def _made(card: JudgeCard) -> str:
    judge = card.judge
    rows = [
        ("plugin", f"{judge.plugin} {judge.version}".strip()),
        ("options", str(judge.options or "none")),
        ("model", str(judge.model.get("model", "none"))),
        ("model revision", str(judge.model.get("revision"))),
        ("verdicts read by", ", ".join(f"{method} ({count:,})" for method, count in card.measures.methods.items())),
        ("templates", ", ".join(f"{name} {value[:8]}" for name, value in judge.templates.items())),
        ("identity", judge.digest),
        ("constitution", f"{card.constitution.name} {card.constitution.version} ({card.constitution.digest[:12]})"),
        (
            "labels read as",
            ", ".join(f"{r.label!r} {r.meaning} ({r.count:,})" for r in card.data.readings) or "chosen, rejected",
        ),
        ("pairs drawn by", ", ".join(card.data.drawn_by) or "the author of the file"),
        ("made with", card.made_with),
    ]
    words = paragraph("Intervals are 95 % bootstrap intervals over prompts; n counts what was measured.")
    return table(Table(("", ""), rows)) + words


def _plot(title: str, lines: Sequence[Line], caption: str, reference: float | None) -> str:
    drawn = [_bar(name, found) for name, found, _ in lines]
    if all(bar.value is None for bar in drawn):
        return paragraph("Nothing to measure it on.")
    return figure(bars(title, drawn, reference=reference, around=(0.0, 1.0)), caption, _table(lines))


def _bar(name: str, found: Measured | None) -> Bar:
    return Bar(name, None) if found is None else Bar(name, found.value, found.low, found.high, f"{found.value:.3f}")


def _table(lines: Iterable[Line]) -> Table:
    return Table(
        ("", "value", "95 % interval", "n", "meaning"),
        [(name, *_cells_of(found), meaning) for name, found, meaning in lines],
    )


def _cells_of(found: Measured | None) -> tuple[str, str, str]:
    if found is None:
        return "–", "–", "0"
    return _digits(found.value), f"{_digits(found.low)} to {_digits(found.high)}", f"{found.n:,}"


def _shown(found: Measured | None) -> str:
    return "–" if found is None else f"{_digits(found.value)} [{_digits(found.low)}, {_digits(found.high)}]"


def _digits(value: float) -> str:
    return f"{round(value, 3) + 0.0:.3f}"


def _cells(fit: Fit) -> list[Cell]:
    return [Cell(cell.said, cell.so, cell.count) for cell in fit.bins]


def _bins(name: str, bins: Sequence[Bin]) -> list[tuple[str, ...]]:
    return [(name, f"{cell.said:.3f}", f"{cell.so:.3f}", str(cell.count)) for cell in bins]
