"""What is said of two constitutions, and of a run under the second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from constitutional.core.constitution import Constitution, Principle, Tier
from constitutional.core.records import Trace
from constitutional.principles.difference import difference, effect
from tests.support.runs import World, run, tier

OLD = Constitution(
    "rules",
    "1",
    (
        Tier("safety", "hard", (Principle("harm", "No harm."),)),
        Tier("style", "soft", (Principle("brief", "Be brief."), Principle("warm", "Be warm.", weight=2.0))),
    ),
)


def said(new: Constitution) -> list[str]:
    return [str(change) for change in difference(OLD, new)]


def test_the_same_constitution_has_no_difference() -> None:
    assert said(OLD) == []


def test_every_kind_of_change_is_named() -> None:
    safety, style = OLD.tiers
    brief, warm = style.principles
    new = replace(
        OLD,
        version="2",
        tiers=(
            replace(safety, principles=(*safety.principles, replace(warm, weight=1.0))),
            replace(
                style,
                force="strong",
                tolerance=0.1,
                principles=(
                    replace(brief, statement="Be short.", tags=frozenset({"chat"})),
                    Principle("new", "Be new."),
                ),
            ),
        ),
    )
    assert said(new) == [
        "changed version: 1 → 2",
        "changed force of tier style: soft → strong",
        "changed tolerance of tier style: 0 → 0.1",
        "re-tiered warm: style → safety",
        "re-weighted warm: 2 → 1",
        "reworded brief.statement: Be brief. → Be short.",
        "re-scoped brief: always → when chat",
        "added new (style):  → Be new.",
    ]


def test_removed_tiers_and_principles_and_another_order() -> None:
    assert said(replace(OLD, tiers=(OLD.tiers[0],))) == [
        "removed tier style",
        "removed brief (style)",
        "removed warm (style)",
    ]
    assert said(replace(OLD, tiers=OLD.tiers[::-1])) == ["reordered tiers: safety > style → style > safety"]


def made(folder: Path) -> tuple[Constitution, tuple[Trace, ...]]:
    """Revising makes the answer truer and ruder; the truth stands above the style and decides."""
    world = World(
        revise=lambda answer, word: f"rude {answer.replace('false', '').strip()}",
        violates=lambda answer, word: 0.9 if word == "false" and "false" in answer else 0.1,
    )
    truth, style = tier("truth", "strong", "false"), tier("style", "soft", "rude")
    traces = run(folder, ["false day", "false night"], truth, style, world=world).traces
    tiers = (
        Tier("truth", "strong", (Principle("false", "avoid false"),)),
        Tier("style", "soft", (Principle("rude", "avoid rude"),)),
    )
    return Constitution("words", "1", tiers), traces


def test_another_order_of_tiers_flips_the_rulings_and_asks_nothing(tmp_path: Path) -> None:
    old, traces = made(tmp_path)
    ids = tuple(trace.prompt.id for trace in traces)
    found = effect(old, replace(old, tiers=old.tiers[::-1]), traces)
    assert (found.rulings, found.flipped, found.vanished, found.unknown) == (2, ids, (), 0)


def test_without_its_deciding_tier_a_ruling_goes_to_the_next_and_without_any_it_vanishes(tmp_path: Path) -> None:
    old, traces = made(tmp_path)
    assert len(effect(old, replace(old, tiers=old.tiers[1:]), traces).flipped) == 2
    neither = replace(old, tiers=(replace(old.tiers[0], tolerance=0.49), replace(old.tiers[1], tolerance=0.49)))
    assert len(effect(old, neither, traces).vanished) == 2


def test_a_reworded_principle_needs_new_calls(tmp_path: Path) -> None:
    old, traces = made(tmp_path)
    reworded = replace(old.tiers[0], principles=(Principle("false", "tell the truth"),))
    assert effect(old, replace(old, tiers=(reworded, old.tiers[1])), traces).unknown == 2
