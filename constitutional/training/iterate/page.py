"""A page over all rounds: made from ``iterate.json`` alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from constitutional.plots.charts import Series, lines
from constitutional.plots.page import Table, figure, page, paragraph, section, table, verdict


def iterate_page(record: Mapping[str, Any]) -> str:
    rounds = record["rounds"]
    if not rounds:
        return page("Rounds", paragraph(record["ended"] or "No round is finished yet."))
    measure = record["measure"]
    before = rounds[0]["before"]
    values = [before, *(one["after"] for one in rounds)]
    band = Series(
        measure,
        [(float(number), value["value"]) for number, value in enumerate(values)],
        [value["low"] for value in values],
        [value["high"] for value in values],
    )
    numbers = Table(("round", measure, "low", "high", "n"), [_numbers(n, value) for n, value in enumerate(values)])
    plot = figure(
        lines(measure, [band], x_title="round", y_title=measure),
        f"{measure} on held-out prompts after each round, with its 95 % interval; round 0 is the model before all.",
        numbers,
    )
    return page(
        "Rounds", _verdict(record), section("Round by round", table(rounds_table(record)), plot), _moved(rounds)
    )


def rounds_table(record: Mapping[str, Any]) -> Table:
    """What the command prints, too."""
    head = (
        "round",
        "prompts",
        "new",
        "first",
        "earlier",
        record["measure"],
        "interval",
        "verdict",
        "KL",
        "guards",
        "calls",
    )
    rows = []
    for one in record["rounds"][:1]:
        value = one["before"]
        low_to_high = f"{value['low']:.3f} to {value['high']:.3f}"
        rows.append(
            ("0", "–", "–", "–", "–", f"{value['value']:.3f}", low_to_high, "the model before all", "–", "–", "–")
        )
    for one in record["rounds"]:
        value, pairs = one["after"], one["pairs"]
        mark = " (best)" if one["number"] == record["best"] else ""
        rows.append((
            f"{one['number']}{mark}", f"{one['prompts']:,}", f"{pairs['new']:,}", f"{pairs['first']:,}",
            f"{pairs['earlier']:,}", f"{value['value']:.3f}", f"{value['low']:.3f} to {value['high']:.3f}",
            one["verdict"], "–" if one["kl"] is None else f"{one['kl']:.2f}",
            ", ".join(fired["guard"] for fired in one["guards"]) or "quiet", f"{one['calls']:,}",
        ))  # fmt: skip
    return Table(head, rows)


def _verdict(record: Mapping[str, Any]) -> str:
    best = record["best"]
    words = f"Round {best} is the best." if best else "No round is better than the model before all."
    return verdict(words, paragraph(f"Ended: {record['ended']}." if record["ended"] else "It goes on."), good=best > 0)


def _moved(rounds: list[dict[str, Any]]) -> str:
    """How far each round moved the policy."""
    points = [(float(one["number"]), one["kl"]) for one in rounds if one["kl"] is not None]
    if len(points) < 2:
        return ""
    numbers = Table(("round", "KL"), [(f"{number:.0f}", f"{kl:.2f}") for number, kl in points])
    plot = lines("KL", [Series("KL", points)], x_title="round", y_title="nats an answer", around=(0.0,))
    return section("How far it moved", figure(plot, "KL to the round's reference, in nats an answer.", numbers))


def _numbers(number: int, value: Mapping[str, Any]) -> tuple[str, ...]:
    return (str(number), *(f"{value[name]:.4f}" for name in ("value", "low", "high")), f"{value['n']:,}")
