"""Records and constitutions to JSON and back, driven by their annotations."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable, Hashable
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")
Decoder = Callable[[Any], Any]


def to_json(record: Any) -> str:
    return json.dumps(record, default=_as_dict, ensure_ascii=False, separators=(",", ":"))


def from_json(kind: type[T], text: str) -> T:
    record: T = _decoder(typing.cast("Hashable", kind))(json.loads(text))
    return record


def _as_dict(record: Any) -> dict[str, Any]:
    if isinstance(record, frozenset):
        raise TypeError("a set has no order: records hold tuples")
    if not (is_dataclass(record) and not isinstance(record, type)):
        raise TypeError(f"{record!r} is no JSON value")
    plain, sets = _names(typing.cast("Hashable", type(record)))
    value = {name: getattr(record, name) for name in plain}
    for name in sets:
        value[name] = sorted(getattr(record, name))
    return value


@cache
def _names(kind: Hashable) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Its fields, and those of them that are declared as sets apart: these are written in order."""
    names = tuple(field.name for field in fields(typing.cast("Any", kind)))
    hints = typing.get_type_hints(kind)
    sets = tuple(name for name in names if typing.get_origin(hints[name]) is frozenset)
    return tuple(name for name in names if name not in sets), sets


@cache
def _decoder(kind: Hashable) -> Decoder:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        (inner,) = (argument for argument in arguments if argument is not types.NoneType)
        return _optional(_decoder(inner))
    if origin in (tuple, frozenset):
        return _sequence(origin, _decoder(arguments[0]))
    if is_dataclass(kind) or (isinstance(kind, type) and issubclass(kind, tuple)):
        return _fields(kind, {name: _decoder(hint) for name, hint in typing.get_type_hints(kind).items()})
    return lambda value: value


def _optional(inner: Decoder) -> Decoder:
    return lambda value: None if value is None else inner(value)


def _sequence(kind: Any, inner: Decoder) -> Decoder:
    return lambda value: kind(inner(item) for item in value)


def _fields(kind: Any, decoders: dict[str, Decoder]) -> Decoder:
    """A dataclass is written as an object; a NamedTuple, which JSON sees as a tuple, as an array."""
    in_order = tuple(decoders.values())

    def decode(value: Any) -> Any:
        if isinstance(value, list):
            return kind(*(decoder(item) for decoder, item in zip(in_order, value, strict=True)))
        return kind(**{name: decoders[name](item) for name, item in value.items()})

    return decode
