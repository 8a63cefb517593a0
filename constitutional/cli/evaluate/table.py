"""An evaluation in a hundred columns: what improved, what got worse, and what cannot be told apart."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from constitutional.core.plain import one_line
from constitutional.evaluation.contenders import BASE
from constitutional.evaluation.result import Comparison, Evaluation, Measured

GROUPS = (
    ("improved", ("improved",)),
    ("got worse", ("worse",)),
    ("changed, and neither way is better", ("higher", "lower")),
    ("not distinguishable", ("indistinguishable",)),
)
WIDTH, NAME = 100, 34
WINS = ("win_rate", "win_rate_length_controlled")
EVEN = 0.5


def table(found: Evaluation) -> list[str]:
    return [part for line in _lines(found) for part in _fitting(one_line(line))]


def _fitting(line: str) -> list[str]:
    return textwrap.wrap(line, WIDTH, subsequent_indent="    ") if len(line) > WIDTH else [line]


def _lines(found: Evaluation) -> Iterator[str]:
    constitution = found.constitution
    yield f"{found.prompts:,} prompts, {constitution['name']} {constitution['version']}"
    for role, part in (("critic", found.critic), ("judge", found.judge)):
        yield f"  {role:<8} {part['plugin']}" + (f", asking {part['model']}" if part["model"] else "")
    for model in found.models:
        yield f"  {model['name']:<8} {model['model']}"
    for model in found.models:
        if model["name"] != BASE:
            yield ""
            yield from _against_base(found, model["name"])
    if len(found.models) > 2:
        yield ""
        yield from _ratings(found)
    if found.not_measured:
        yield ""
        yield "not measured"
        yield from (f"  {measure}: {why}" for measure, why in found.not_measured.items() if "/" not in measure)
    if found.gate:
        yield ""
        yield "gate"
        yield from (f"  {'ok ' if one.passed else 'NO '} {one.condition}: {one.words}" for one in found.gate)


def _against_base(found: Evaluation, name: str) -> Iterator[str]:
    own = [one for one in found.comparisons if one.model == name]
    yield f"{name} against {BASE}"
    yield f"  {'':<{NAME}} {BASE:>9} {one_line(name, 9):>9} {'change':>9}  {'95 % interval':<20} {'p':>7}"
    for title, verdicts in GROUPS:
        rows = [one for one in own if one.verdict in verdicts]
        shown = [one for one in rows if "/" not in one.measure or one.verdict != "indistinguishable"]
        if not rows:
            continue
        yield title
        yield from (_row(found, one) for one in shown)
        if len(rows) > len(shown):
            yield f"  and {len(rows) - len(shown):,} parts of them (tiers, principles, tags, partial refusals)"
    whole, parts = (_tests(found, of_parts) for of_parts in (False, True))
    yield f"p is corrected for {whole:,} measures, and apart from them for {parts:,} parts (Holm)"


def _tests(found: Evaluation, parts: bool) -> int:
    """How many were tested: those in which some prompt differs."""
    return sum(("/" in one.measure) == parts and (one.low, one.high) != (0, 0) for one in found.comparisons)


def _row(found: Evaluation, one: Comparison) -> str:
    before = found.measure(BASE, one.measure)
    first = f"{EVEN:>9}" if one.measure in WINS else _value(before)
    name = one_line(one.measure, NAME)
    interval = f"[{_number(one.low)}, {_number(one.high)}]"
    return (
        f"  {name:<{NAME}} {first} {_value(found.measure(one.model, one.measure))} {_number(one.difference, True):>9}"
        f"  {interval:<20} {_p(one.p_adjusted):>7}"
    )


def _ratings(found: Evaluation) -> Iterator[str]:
    rating = found.rating
    yield f"rating (Elo about {rating['mean']:.0f}, Bradley-Terry, {rating['games']:,} comparisons)"
    for row in rating["models"]:
        yield f"  {one_line(row['name'], NAME):<{NAME}} {row['rating']:>9.0f}  [{row['low']:.0f}, {row['high']:.0f}]"


def _value(found: Measured | None) -> str:
    return f"{'–':>9}" if found is None else f"{_number(found.value):>9}"


def _number(value: float, signed: bool = False) -> str:
    size = abs(value)
    digits = 3 if size < 10 else 2 if size < 100 else 1
    return f"{round(value, digits) + 0.0:{'+' if signed else ''}.{digits}f}"


def _p(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def warnings(found: Evaluation) -> Sequence[str]:
    """What the reader should know before believing it."""
    said = [f"warning: {warning}" for warning in found.warnings]
    if found.failures:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in found.failures.items())
        said.append(f"warning: failures: {reasons}; what is missing is left out of every comparison")
    return [one_line(line) for line in said]
