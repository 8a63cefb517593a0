"""What is wrong with the ids of a constitution file, by itself and with regard to what it extends.

This looks at the bare data, which may be of any shape, so that these errors are shown together with all the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from constitutional.config.source import Loc, Problem
from constitutional.errors import near_matches

REQUIRED = "this key is required"


@dataclass(frozen=True, slots=True)
class Known:
    """The ids of what a file extends."""

    tiers: Collection[str] = ()
    principles: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class _Named:
    """A tier or a principle of the file, as far as it can be read; its id is empty where there is none."""

    loc: Loc
    data: dict[Any, Any]
    id: str
    parts: tuple[_Named, ...] = field(default=())


def id_problems(data: dict[Any, Any], before: Known | None, left: Known | None) -> list[Problem]:
    """``before`` is what is extended, ``left`` what of it is not dropped; None where it could not be read."""
    tiers = [
        _Named(tier.loc, tier.data, tier.id, tuple(_named(tier.data, "principles", tier.loc)))
        for tier in _named(data, "tiers", ())
    ]
    problems = list(_repeated(data, tiers))
    if before is None or left is None:
        return problems
    problems += _contexts(data, tiers, left)
    if data.get("extends") in (None, []):
        return problems + list(_alone(data, tiers))
    return problems + list(_extending(data, tiers, before, left))


def texts(data: dict[Any, Any], key: str) -> list[tuple[Loc, str]]:
    """The items of a list of texts."""
    return [((key, n), item) for n, item in enumerate(_list(data.get(key))) if isinstance(item, str)]


def _repeated(data: dict[Any, Any], tiers: list[_Named]) -> Iterator[Problem]:
    seen: set[str] = set()
    for key in ("extends", "drop"):
        listed: set[str] = set()
        for loc, name in texts(data, key):
            if name in listed:
                yield loc, f"{name!r} is here twice"
            listed.add(name)
    names = {tier.id for tier in tiers}
    for number, tier in enumerate(tiers):
        if tier.id and tier.id in {other.id for other in tiers[:number]}:
            yield (*tier.loc, "id"), f"tier {tier.id!r} is here twice"
        for principle in tier.parts:
            if principle.id and principle.id in seen:
                yield (*principle.loc, "id"), f"principle {principle.id!r} is here twice"
            elif principle.id and principle.id in names:
                yield (
                    (*principle.loc, "id"),
                    f"a tier is called {principle.id!r} too: contexts and drop name both by id",
                )
            seen.add(principle.id)


def _alone(data: dict[Any, Any], tiers: list[_Named]) -> Iterator[Problem]:
    """In a file that extends nothing, every tier is whole and stands where it stands."""
    if data.get("tiers") is None:
        yield ("tiers",), REQUIRED
    for loc, _ in texts(data, "drop"):
        yield loc, "there is nothing to drop: this file extends nothing"
    for tier in tiers:
        yield from _whole(tier, REQUIRED)
        for key in ("before", "after"):
            if tier.data.get(key) is not None:
                yield (*tier.loc, key), "only in a file that extends another; here the order of the file is the order"


def _extending(data: dict[Any, Any], tiers: list[_Named], before: Known, left: Known) -> Iterator[Problem]:
    known, own = {*before.tiers, *before.principles}, {tier.id for tier in tiers}
    for loc, name in texts(data, "drop"):
        if name not in known:
            yield loc, f"nothing that is extended has the id {name!r}{near_matches(name, known)}"
    present = list(left.tiers)
    for tier in tiers:
        if tier.id in left.principles:
            yield (*tier.loc, "id"), f"a principle of what is extended is called {tier.id!r} too"
        if tier.id not in present:
            hint = near_matches(tier.id, present)
            yield from _whole(tier, f"{REQUIRED}: no tier of what is extended is called {tier.id!r}{hint}")
        for principle in tier.parts:
            if principle.id in left.tiers and principle.id not in own:
                yield (*principle.loc, "id"), f"a tier of what is extended is called {principle.id!r} too"
            if principle.id in left.principles and "statement" not in principle.data:
                yield (
                    (*principle.loc, "statement"),
                    f"{REQUIRED}: {principle.id!r} replaces the extended principle whole, not key by key",
                )
        yield from _placing(tier, present)
        present.append(tier.id)


def _whole(tier: _Named, message: str) -> Iterator[Problem]:
    for key in ("force", "principles"):
        if tier.data.get(key) is None:
            yield (*tier.loc, key), message


def _placing(tier: _Named, present: list[str]) -> Iterator[Problem]:
    given = [key for key in ("before", "after") if isinstance(tier.data.get(key), str)]
    if len(given) == 2:
        yield (*tier.loc, "after"), "either `before` or `after`"
    for key in given:
        name = tier.data[key]
        if name == tier.id:
            yield (*tier.loc, key), "a tier cannot stand beside itself"
        elif name not in present:
            others = [other for other in present if other != tier.id]
            yield (*tier.loc, key), f"no tier above has the id {name!r}{near_matches(name, others)}"


def _contexts(data: dict[Any, Any], tiers: list[_Named], left: Known) -> Iterator[Problem]:
    own = {tier.id for tier in tiers} | {principle.id for tier in tiers for principle in tier.parts}
    known = {*left.tiers, *left.principles, *own}
    contexts = data.get("contexts")
    for tag, factors in contexts.items() if isinstance(contexts, dict) else ():
        for name in factors if isinstance(factors, dict) else ():
            if isinstance(name, str) and name not in known:
                yield ("contexts", str(tag), name), f"no tier or principle has this id{near_matches(name, known)}"


def _named(data: dict[Any, Any], key: str, loc: Loc) -> Iterator[_Named]:
    for number, item in enumerate(_list(data.get(key))):
        if isinstance(item, dict):
            name = item.get("id")
            yield _Named((*loc, key, number), item, name if isinstance(name, str) else "")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
