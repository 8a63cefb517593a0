"""``extends``: several files flattened into one, the later one on top.

A file that is reached twice counts once, at its first place: of two files that both extend `base`, the second does not
undo what the first changed in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from constitutional.config.ids import Known
from constitutional.config.schema import ConstitutionFile, PluginFile, PrincipleFile, TierFile
from constitutional.config.source import Loc, Source
from constitutional.core.constitution import (
    Constitution,
    Example,
    Force,
    Mode,
    OnUnresolved,
    PluginUse,
    Principle,
    Tier,
)


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One file: what it says itself, and what that is laid upon."""

    source: Source
    file: ConstitutionFile
    origin: str
    parents: tuple[Layer, ...]
    left: Draft
    """What it extends, without what it drops."""


@dataclass(slots=True)
class _Tier:
    id: str
    force: Force
    tolerance: float
    where: str
    principles: dict[str, Principle] = field(default_factory=dict)


@dataclass(slots=True)
class Draft:
    """A constitution while files are laid on it."""

    tiers: list[_Tier] = field(default_factory=list)
    contexts: dict[str, dict[str, float]] = field(default_factory=dict)
    mode: Mode = "tiered"
    on_unresolved: OnUnresolved = "reject"

    @property
    def known(self) -> Known:
        return Known([tier.id for tier in self.tiers], [name for tier in self.tiers for name in tier.principles])

    def drop(self, ids: Collection[str]) -> None:
        self.tiers = [tier for tier in self.tiers if tier.id not in ids]
        for tier in self.tiers:
            tier.principles = {name: principle for name, principle in tier.principles.items() if name not in ids}

    def add(self, layer: Layer) -> None:
        self.drop(layer.file.drop)
        for number, tier in enumerate(layer.file.tiers):
            self._add_tier(layer, tier, ("tiers", number))
        for tag, factors in layer.file.contexts.items():
            self.contexts[tag] = self.contexts.get(tag, {}) | factors
        if "mode" in layer.file.model_fields_set:
            self.mode = layer.file.mode
        if "on_unresolved" in layer.file.model_fields_set:
            self.on_unresolved = layer.file.on_unresolved

    def finished(self, layer: Layer) -> Constitution:
        """Tiers that lost their last principle are gone, and with them what contexts said of them."""
        tiers = tuple(
            Tier(tier.id, tier.force, tuple(tier.principles.values()), tier.tolerance, tier.where)
            for tier in self.tiers
            if tier.principles
        )
        known = {tier.id for tier in tiers} | {principle.id for tier in tiers for principle in tier.principles}
        contexts = {
            tag: {name: factor for name, factor in factors.items() if name in known}
            for tag, factors in self.contexts.items()
            if not known.isdisjoint(factors)
        }
        file = layer.file
        return Constitution(
            file.name, file.version, tiers, contexts, self.mode, self.on_unresolved, file.description,
            frozenset(file.lint.ignore),
        )  # fmt: skip

    def _find(self, name: str | None) -> _Tier | None:
        return next((tier for tier in self.tiers if tier.id == name), None)

    def _add_tier(self, layer: Layer, given: TierFile, loc: Loc) -> None:
        """A principle that was in this tier keeps its place in it; one from another tier comes last."""
        tier = self._find(given.id)
        if tier is None:
            known = layer.left._find(given.id)  # gone where another file that is extended drops it
            tier = _Tier(given.id, known.force if known else "soft", known.tolerance if known else 0.0, "")
            self.tiers.append(tier)
        tier.where = layer.source.where(loc)
        tier.force = given.force or tier.force
        if "tolerance" in given.model_fields_set:
            tier.tolerance = given.tolerance
        self._move(tier, given)
        for number, principle in enumerate(given.principles):
            for other in self.tiers:
                if other is not tier:
                    other.principles.pop(principle.id, None)
            tier.principles[principle.id] = _principle(layer, principle, (*loc, "principles", number))

    def _move(self, tier: _Tier, given: TierFile) -> None:
        beside = self._find(given.before or given.after)
        if beside is not None:
            self.tiers.remove(tier)
            self.tiers.insert(self.tiers.index(beside) + (given.before is None), tier)


def flat(layers: Iterable[Layer]) -> Draft:
    draft = Draft()
    for layer in _in_order(layers, {}):
        draft.add(layer)
    return draft


def _in_order(layers: Iterable[Layer], found: dict[Layer, None]) -> Iterable[Layer]:
    for layer in layers:
        if layer not in found:
            _in_order(layer.parents, found)
            found[layer] = None
    return found


def _principle(layer: Layer, file: PrincipleFile, loc: Loc) -> Principle:
    where = layer.source.where
    return Principle(
        file.id,
        file.statement,
        file.critique,
        file.revision,
        file.prefer,
        file.weight,
        frozenset(file.when.tags),
        frozenset(file.when.unless),
        _use(file.judge, where((*loc, "judge"))),
        _use(file.critic, where((*loc, "critic"))),
        tuple(
            Example(
                item.prompt, item.response, item.verdict, item.better, item.worse, where((*loc, "examples", number))
            )
            for number, item in enumerate(file.examples)
        ),
        frozenset(file.lint_ignore) | frozenset(layer.file.lint.ignore),
        layer.origin,
        where(loc),
    )  # fmt: skip


def _use(file: PluginFile | None, where: str) -> PluginUse | None:
    return None if file is None else PluginUse(file.plugin, file.options, where)
