"""What changed between two constitutions: added, removed, reworded, re-tiered, re-weighted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from constitutional.core.analysis import rule_again
from constitutional.core.constitution import Constitution, Principle, Tier
from constitutional.core.records import Ruling, Trace

WORDS = ("statement", "critique", "revision", "prefer")


@dataclass(frozen=True, slots=True)
class Change:
    kind: str
    what: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        change = f": {self.before} → {self.after}" if self.before or self.after else ""
        return f"{self.kind} {self.what}{change}"


def difference(old: Constitution, new: Constitution) -> list[Change]:
    """In the order of the new constitution; what was removed comes last."""
    before = {principle.id: (tier, principle) for tier, principle in old}
    after = {principle.id: (tier, principle) for tier, principle in new}
    changes = [*_whole(old, new), *_tiers(old, new)]
    for name, (tier, principle) in after.items():
        if name not in before:
            changes.append(Change("added", f"{name} ({tier.id})", "", principle.statement))
        else:
            changes.extend(_principle(*before[name], tier, principle))
    removed = [Change("removed", f"{name} ({tier.id})") for name, (tier, _) in before.items() if name not in after]
    return changes + removed


@dataclass(frozen=True, slots=True)
class Effect:
    """On the rulings of a run, from its ledger alone."""

    rulings: int
    flipped: tuple[str, ...]
    vanished: tuple[str, ...]
    appeared: tuple[str, ...]
    unknown: int
    """Rulings that would need new calls: a principle was added or reworded that applies to them."""


def effect(old: Constitution, new: Constitution, traces: Iterable[Trace]) -> Effect:
    """Which rulings would change. Only what was judged counts: a reworded or new principle has no verdict yet."""
    kept = {principle.id for _, principle in old}
    words = {principle.id: _words(principle) for _, principle in old}
    fresh = {p.id for _, p in new if p.id not in kept or words[p.id] != _words(p)}
    changed: dict[str, list[str]] = {"flipped": [], "vanished": [], "appeared": []}
    rulings = unknown = 0
    for trace in traces:
        asks_more = any(principle.id in fresh for _, principle in new.applicable(trace.prompt.tags))
        for ruling in trace.rulings:
            rulings += 1
            if asks_more:
                unknown += 1
                continue
            kind = _kind(ruling, rule_again(new, trace, ruling))
            if kind:
                changed[kind].append(trace.prompt.id)
    flipped, vanished, appeared = (tuple(changed[kind]) for kind in ("flipped", "vanished", "appeared"))
    return Effect(rulings, flipped, vanished, appeared, unknown)


def _kind(before: Ruling, after: Ruling) -> str | None:
    old, new = _side(before), _side(after)
    if old == new:
        return None
    if not new:
        return "vanished"
    return "flipped" if old else "appeared"


def _side(ruling: Ruling) -> int:
    if ruling.p is None or ruling.p == 0.5:
        return 0
    return 1 if ruling.p > 0.5 else -1


def _whole(old: Constitution, new: Constitution) -> Iterator[Change]:
    for name in ("version", "mode", "on_unresolved"):
        before, after = str(getattr(old, name)), str(getattr(new, name))
        if before != after:
            yield Change("changed", name, before, after)
    for tag in sorted({*old.contexts, *new.contexts}):
        factors = [dict(constitution.contexts.get(tag, {})) for constitution in (old, new)]
        if factors[0] != factors[1]:
            yield Change("changed", f"context {tag}", str(factors[0] or "none"), str(factors[1] or "none"))


def _tiers(old: Constitution, new: Constitution) -> Iterator[Change]:
    before = {tier.id: tier for tier in old.tiers}
    for tier in new.tiers:
        former = before.get(tier.id)
        if former is None:
            yield Change("added", f"tier {tier.id} ({tier.force})")
            continue
        if former.force != tier.force:
            yield Change("changed", f"force of tier {tier.id}", former.force, tier.force)
        if former.tolerance != tier.tolerance:
            yield Change("changed", f"tolerance of tier {tier.id}", f"{former.tolerance:g}", f"{tier.tolerance:g}")
    here = {tier.id for tier in new.tiers}
    yield from (Change("removed", f"tier {tier.id}") for tier in old.tiers if tier.id not in here)
    order = [[tier.id for tier in c.tiers if tier.id in before and tier.id in here] for c in (old, new)]
    if order[0] != order[1]:
        yield Change("reordered", "tiers", " > ".join(order[0]), " > ".join(order[1]))


def _principle(tier: Tier, old: Principle, new_tier: Tier, new: Principle) -> Iterator[Change]:
    if tier.id != new_tier.id:
        yield Change("re-tiered", new.id, tier.id, new_tier.id)
    if old.weight != new.weight:
        yield Change("re-weighted", new.id, f"{old.weight:g}", f"{new.weight:g}")
    for name in WORDS:
        before, after = str(getattr(old, name)), str(getattr(new, name))
        if before != after:
            yield Change("reworded", f"{new.id}.{name}", before or "(default)", after or "(default)")
    if (old.tags, old.unless) != (new.tags, new.unless):
        yield Change("re-scoped", new.id, _scope(old), _scope(new))


def _scope(principle: Principle) -> str:
    when = f"when {', '.join(sorted(principle.tags))}" if principle.tags else "always"
    return f"{when} unless {', '.join(sorted(principle.unless))}" if principle.unless else when


def _words(principle: Principle) -> tuple[str, ...]:
    return (principle.statement, principle.critique, principle.revision, principle.prefer)
