"""A finished run by principle, as a table or as JSON: from the ledger, with no model asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from constitutional.core.analysis import PrincipleStats

COLUMNS = (
    ("principle", "id"),
    ("tier", "tier"),
    ("checked", "checked"),
    ("violated", "violation_rate_before"),
    ("after", "violation_rate_after"),
    ("mended", "revision_success"),
    ("judged", "judged"),
    ("agrees", "agreement"),
    ("worth", "worth"),
    ("decisive", "decisiveness"),
    ("confidence", "mean_confidence"),
    ("order kept", "swap_consistency"),
    ("overruled", "overruled"),
    ("flips", "flipped"),
    ("vanish", "vanished"),
    ("appear", "appeared"),
)
SHARES = {"violation_rate_before", "violation_rate_after", "revision_success", "agreement", "swap_consistency"}
RATES = ("violation_rate_before", "violation_rate_after", "revision_success", "agreement", "relevance", "worth")
COUNTS = (
    "checked",
    "violated_before",
    "violated_after",
    "attempts",
    "mended",
    "judged",
    "unread",
    "relevant",
    "agreed",
)


def table(stats: Sequence[PrincipleStats]) -> str:
    rows = [[title for title, _ in COLUMNS], *([_cell(entry, name) for _, name in COLUMNS] for entry in stats)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def overruling(stats: Iterable[PrincipleStats]) -> Iterator[str]:
    """``brief (style) was overruled by safety 12 times``, most often first."""
    found = [(count, entry, tier) for entry in stats for tier, count in entry.overruled.items()]
    for count, entry, tier in sorted(found, key=lambda item: -item[0]):
        yield f"{entry.id} ({entry.tier}) was overruled by {tier} {count} times"


def as_json(entry: PrincipleStats) -> dict[str, Any]:
    return {
        "principle": entry.id,
        "tier": entry.tier,
        **{name: _value(entry, name) for name in (*COUNTS, *RATES)},
        "decisiveness": entry.decisiveness,
        "mean_confidence": entry.mean_confidence,
        "swap_consistency": entry.swap_consistency,
        "overruled_by": dict(entry.overruled),
        "without_it": {"flipped": entry.flipped, "vanished": entry.vanished, "appeared": entry.appeared},
    }


def _value(entry: PrincipleStats, name: str) -> Any:
    return getattr(entry, name)


def _cell(entry: PrincipleStats, name: str) -> str:
    value = _value(entry, name)
    if name == "overruled":
        return str(sum(entry.overruled.values()))
    if value is None:
        return "–"
    if name in SHARES:
        return f"{value:.0%}"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
