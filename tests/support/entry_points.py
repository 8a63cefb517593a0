"""Plugins as a host finds them, without a distribution: made-up entry points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

from pydantic import BaseModel

from constitutional.hookspecs import hookimpl
from constitutional.plugins import PluginHost, Register


@dataclass
class Entry:
    """What ``importlib.metadata`` gives for an entry point, as far as the host looks at it."""

    name: str
    load: Callable[[], Any]
    dist: Any = field(default_factory=lambda: SimpleNamespace(name="their-plugin", version="1.2"))
    value: str = "their_plugin"


def entry(name: str, *functions: Callable[..., Any], dist: str = "their-plugin") -> Entry:
    module = ModuleType(name)
    for function in functions:
        setattr(module, function.__name__, hookimpl(function))
    return Entry(name, lambda: module, SimpleNamespace(name=dist, version="1.2"))


def offering(
    name: str, factory: Callable[..., Any] = list, config: type[BaseModel] | None = None
) -> Callable[..., Any]:
    def register_judges(register: Register) -> None:
        register(name, factory, config=config)

    return register_judges


def raising(error: BaseException) -> Callable[[], Any]:
    def load() -> Any:
        raise error

    return load


Install = Callable[..., PluginHost]
"""Entry points → a host that finds these; the fixture ``install``."""


def errors(host: PluginHost) -> dict[str, str | None]:
    return {plugin.name: plugin.error for plugin in host.plugins}
