"""What is examined: one name that a plugin registers, with the options it is used with."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from constitutional.errors import PluginError
from constitutional.hookspecs import hookimpl
from constitutional.models.scripted import Script
from constitutional.plugins import KINDS, PluginHost, Register, Registered

BUILTIN_MODULE = "constitutional.builtin"
THEIRS = ("plugin", "the plugin", "0")


class Fault(AssertionError):  # noqa: N818 - what a check says, not what went wrong with it
    """What a plugin does that it must not, or does not that it must."""


class NotApplicable(Exception):  # noqa: N818 - a signal to the kit
    """This check says nothing of this subject; the message says why."""


@dataclass(frozen=True)
class Subject:
    """``plugin`` is what the entry point names: a module with hooks, its dotted name, or an object."""

    kind: str
    name: str
    plugin: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    script: Script | None = None
    """What the model behind the role says: called with the request and the options of a choice, None for a chat. Default:
    a made-up mind that prefers one answer to another for no good reason, the same each time."""
    ladder: tuple[str, ...] = ()
    """Of a scorer: answers from the worst to the best as it sees them. Needed where it asks no model."""
    model: str = "test"
    """Of a provider: the model's name, behind the colon."""
    base_url: str | None = None
    """Of a provider: the address of its server."""
    base: Path = Path()
    """Where relative paths in the options start."""
    skip: Mapping[str, str] = field(default_factory=dict)
    """Checks that do not hold for it → why."""

    @classmethod
    def of(
        cls,
        kind: str,
        name: str,
        factory: Callable[..., Any],
        *,
        config: type[BaseModel] | None = None,
        **more: Any,
    ) -> Subject:
        """Of a factory that nothing registers yet."""
        if kind not in KINDS:
            raise PluginError(f"{kind!r} is no kind of plugin: {', '.join(KINDS)}")

        def register_one(register: Register) -> None:
            register(name, factory, config=config)

        plugin = ModuleType("unnamed")
        setattr(plugin, KINDS[kind], hookimpl(register_one))
        return cls(kind, name, plugin, **more)

    @property
    def module(self) -> str | None:
        """The module that an entry point names; None of an object that cannot be imported by name."""
        if isinstance(self.plugin, str):
            return self.plugin
        return self.plugin.__name__ if isinstance(self.plugin, ModuleType) else None

    @cached_property
    def host(self) -> PluginHost:
        """A host with the built-ins and this plugin, whatever else is installed."""
        host = PluginHost(installed=False).load()
        if self.module != BUILTIN_MODULE:
            host.add(importlib.import_module(self.plugin) if isinstance(self.plugin, str) else self.plugin, *THEIRS)
        return host

    @property
    def registered(self) -> Registered:
        return self.host.get(self.kind, self.name)
