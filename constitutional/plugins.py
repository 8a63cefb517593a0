"""The plugin host: finds plugins, keeps a bad one from breaking anything else, and knows every name.

Nothing is loaded until a name is asked for. Each plugin loads in its own ``try``: an import error, a misspelt hook or an
exception while registering makes that plugin *failed*, shown by ``constitutional plugins`` and fatal only to a run that
names something it would have provided. Two plugins that offer one name make that name an error that says both.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Protocol

import pluggy
from pydantic import BaseModel, ValidationError

from constitutional import hookspecs
from constitutional.errors import ConfigError, PluginError, UnknownNameError, near_matches
from constitutional.hookspecs import PLUGIN_API, PluginDeprecation
from constitutional.resources import shipped_names

GROUP = "constitutional"
ALLOW_LIST = "CONSTITUTIONAL_PLUGINS"
TRACE = "CONSTITUTIONAL_PLUGIN_TRACE"
BUILTIN = "constitutional"
SLOW = 2.0
"""Seconds of loading from which a plugin is said to be slow: every command that asks for a name waits for it."""
KINDS = {
    "model": "register_models",
    "critic": "register_critics",
    "reviser": "register_revisers",
    "judge": "register_judges",
    "scorer": "register_scorers",
    "pairing": "register_pairings",
    "filter": "register_filters",
    "constitution": "register_constitutions",
}

TITLES = {"model": "model provider", "pairing": "strategy"}


class Register(Protocol):
    def __call__(self, name: str, factory: Callable[..., Any], *, config: type[BaseModel] | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class Registered:
    """One name that a run may use."""

    kind: str
    name: str
    factory: Callable[..., Any]
    config: type[BaseModel] | None
    distribution: str
    version: str

    def options(self, given: dict[str, Any], where: str) -> BaseModel | None:
        """The options validated by the plugin's own model; a wrong one says where in the run file it stands."""
        if self.config is None:
            if given:
                raise ConfigError(f"{where}.options: {self.kind} {self.name!r} takes no options")
            return None
        try:
            return self.config.model_validate(given)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            said = first["msg"]
            if first["type"] == "extra_forbidden":
                said = f"unknown option{near_matches(key, self.config.model_fields)}"
            raise ConfigError(f"{where}.options.{key}: {said}") from error


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point, loaded or failed."""

    name: str
    distribution: str
    version: str
    error: str | None = None
    seconds: float = 0.0
    """How long it took to load and to register."""
    notes: tuple[str, ...] = ()
    """What it uses that will not be there much longer."""


class PluginHost:
    """Made once per command; ``load`` is called on first use. Without ``installed`` there are the built-ins alone, and
    what ``add`` is given; without ``builtin`` the installed alone, for who asks only for constitutions: none is built in."""

    def __init__(self, *, builtin: bool = True, installed: bool = True) -> None:
        self._builtin = builtin
        self._installed = installed
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._registry: dict[tuple[str, str], Registered] = {}
        self._conflicts: dict[tuple[str, str], str] = {}
        self._warned: set[str] = set()
        self._left_out: list[str] = []
        self._loaded = False
        self.plugins: list[Plugin] = []

    def load(self) -> PluginHost:
        if self._loaded:
            return self
        self._loaded = True
        if os.environ.get(TRACE):
            self._manager.trace.root.setwriter(sys.stderr.write)
            self._manager.enable_tracing()
        if self._builtin:
            self.add(importlib.import_module("constitutional.builtin"), BUILTIN, BUILTIN, _own_version())
        if self._installed:
            for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
                if _allowed(entry):
                    self._load(entry)
                else:
                    self._left_out.append(entry.name)
        return self

    def _load(self, entry: EntryPoint) -> None:
        distribution = entry.dist.name if entry.dist else entry.value
        version = entry.dist.version if entry.dist else ""
        began, notes = time.perf_counter(), list[str]()
        try:
            with _noting(notes), redirect_stdout(sys.stderr):
                module = entry.load()
        except (KeyboardInterrupt, MemoryError):
            raise
        except BaseException as error:
            made = Plugin(entry.name, distribution, version, f"does not load: {_brief(error)}{_imported(error, entry)}")
            self.plugins.append(replace(made, seconds=time.perf_counter() - began))
            return
        made = self.add(module, entry.name, distribution, version)
        made = replace(made, seconds=time.perf_counter() - began, notes=(*notes, *made.notes))
        self.plugins[-1] = made
        _warn_of(made)

    def add(self, module: Any, name: str, distribution: str, version: str) -> Plugin:
        """Register one plugin alone, so that whatever is wrong with it is known to be its own fault."""
        unique = f"{name} ({distribution})"
        notes: list[str] = []
        try:
            _check_api(module)
            with _noting(notes), redirect_stdout(sys.stderr):
                self._manager.register(module, name=unique)
                self._manager.check_pending()
                found = self._registrations(module, distribution, version)
        except (KeyboardInterrupt, MemoryError):
            raise
        except BaseException as error:
            if self._manager.get_plugin(unique) is module:
                self._manager.unregister(name=unique)
            made = Plugin(name, distribution, version, _reason(module, error))
        else:
            problems = [problem for item in found if (problem := self._enter(item))]
            if not self._manager.get_hookcallers(module):
                problems.append("implements no hook: decorate its functions with constitutional.hookimpl")
            made = Plugin(name, distribution, version, "; ".join(problems) or None, notes=tuple(notes))
        self.plugins.append(made)
        return made

    def _registrations(self, module: Any, distribution: str, version: str) -> list[Registered]:
        found: list[Registered] = []
        others = [plugin for plugin in self._manager.get_plugins() if plugin is not module]

        def registering(kind: str) -> Register:
            def register(name: str, factory: Callable[..., Any], *, config: type[BaseModel] | None = None) -> None:
                _check_registration(kind, name, factory, config)
                found.append(Registered(kind, name, factory, config, distribution, version))

            register.__qualname__ = "register"  # as a missing argument names it
            return register

        for kind, hook in KINDS.items():
            self._manager.subset_hook_caller(hook, others)(register=registering(kind))
        return found

    def _enter(self, item: Registered) -> str | None:
        """A built-in name stays what it is; two strangers with one name leave it unusable, and both are named."""
        key = (item.kind, item.name)
        ships = item.kind == "constitution" and item.name in shipped_names("constitutions", ".yaml")
        if key not in self._registry and not ships:
            self._registry[key] = item
            return None
        first = BUILTIN if ships else self._registry[key].distribution
        problem = f"{item.kind} {item.name!r} is offered by both {first} and {item.distribution}"
        if first != BUILTIN:
            self._conflicts[key] = problem
        return problem

    def get(self, kind: str, name: str) -> Registered:
        self.load()
        key = (kind, name)
        if key in self._conflicts:
            raise PluginError(f"{self._conflicts[key]}: uninstall one, or choose with {ALLOW_LIST}")
        if key not in self._registry:
            failed = [f"{plugin.distribution} ({plugin.error})" for plugin in self.plugins if plugin.error]
            hints = [f"it is a {other}" for other in KINDS if (other, name) in self._registry]
            hints += [f"plugins that failed: {'; '.join(failed)}"] if failed else []
            if self._left_out:
                hints.append(f"{ALLOW_LIST} leaves out: {', '.join(self._left_out)}")
            hint = ") (".join(hints)
            raise UnknownNameError.among(TITLES.get(kind, kind), name, self.names(kind), hint)
        return self._registry[key]

    def names(self, kind: str) -> list[str]:
        return [item.name for item in self.registered() if item.kind == kind]

    def registered(self) -> list[Registered]:
        self.load()
        return list(self._registry.values())

    def observe(self, hook: str, **arguments: Any) -> None:
        """Tell observers. One that raises is reported once and never stops a run."""
        for plugin in self._manager.get_plugins():
            others = [other for other in self._manager.get_plugins() if other is not plugin]
            try:
                self._manager.subset_hook_caller(hook, others)(**arguments)
            except Exception as error:
                name = self._manager.get_name(plugin) or "?"
                if name not in self._warned:
                    self._warned.add(name)
                    print(f"warning: plugin {name}: {hook} failed: {_brief(error)}", file=sys.stderr)

    def observers(self, hook: str) -> bool:
        """Whether anybody listens: a run with no observer pays nothing for them."""
        self.load()
        return any(
            caller.name == hook
            for plugin in self._manager.get_plugins()
            for caller in self._manager.get_hookcallers(plugin) or ()
        )


def _allowed(entry: EntryPoint) -> bool:
    listed = os.environ.get(ALLOW_LIST)
    if listed is None:
        return True
    names = {name.strip() for name in listed.split(",") if name.strip()}
    return entry.name in names or (entry.dist is not None and entry.dist.name in names)


@contextmanager
def _noting(notes: list[str]) -> Iterator[None]:
    """Deprecations, which Python hides by default, are noted; every other warning stays what it was."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PluginDeprecation)
        yield
    for item in caught:
        if issubclass(item.category, PluginDeprecation):
            notes.append(str(item.message))
        else:
            warnings.warn_explicit(item.message, item.category, item.filename, item.lineno)


def _warn_of(plugin: Plugin) -> None:
    named = f"plugin {plugin.name} ({plugin.distribution})"
    if plugin.seconds >= SLOW:
        print(
            f"warning: {named} took {plugin.seconds:.1f} s to load: it should import what is heavy inside its functions; "
            f"{ALLOW_LIST} can leave it out",
            file=sys.stderr,
        )
    for note in plugin.notes:
        print(f"warning: {named}: deprecated: {note}", file=sys.stderr)


def _check_api(module: Any) -> None:
    """A module may say which version of the plugin API it was written for; one that says nothing is tried."""
    wanted = getattr(module, "plugin_api", None)
    if wanted is None:
        return
    if not (isinstance(wanted, tuple) and len(wanted) == 2 and all(type(part) is int for part in wanted)):
        raise PluginError(f"plugin_api = {wanted!r}: two whole numbers are expected, such as {PLUGIN_API}")
    if wanted[0] != PLUGIN_API[0] or wanted[1] > PLUGIN_API[1]:
        older = "constitutional" if wanted > PLUGIN_API else "the plugin"
        theirs, ours = (".".join(str(part) for part in version) for version in (wanted, PLUGIN_API))
        raise PluginError(f"is written for plugin API {theirs}, and this is {ours}: upgrade {older}")


def _check_registration(kind: str, name: Any, factory: Any, config: Any) -> None:
    """What nobody could use later is said where it is registered."""
    what = f"{KINDS[kind]}: register({name!r}, …)"
    if not isinstance(name, str) or not name.strip():
        raise PluginError(f"{what}: the name is a text, such as 'my-{kind}'")
    if not callable(factory):
        raise PluginError(
            f"{what}: the factory cannot be called: give the class {type(factory).__name__}, not one of it"
        )
    if config is not None and not (isinstance(config, type) and issubclass(config, BaseModel)):
        shown = config.__name__ if isinstance(config, type) else repr(config)
        raise PluginError(f"{what}: config={shown}: options are a class derived from pydantic.BaseModel")


def _reason(module: Any, error: BaseException) -> str:
    """A misspelt hook says which one was probably meant."""
    if isinstance(error, PluginError):
        return str(error)
    if isinstance(error, pluggy.PluginValidationError):
        hooks = [name for name in vars(hookspecs) if name.startswith(("register_", "run_", "trace_"))]
        text = str(error).replace("\n", " ")
        for name in dir(module):
            if name not in hooks and f"'{name}'" in text:
                return f"unknown hook {name!r}{near_matches(name, hooks)}"
        return text
    return f"fails while registering: {_brief(error)}"


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip(": ").splitlines()[0]


def _imported(error: BaseException, entry: EntryPoint) -> str:
    package = re.split(r"[.:]", entry.value)[0]
    return place_of(error.__traceback__, lambda frame: _package(frame) == package)


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]


def place_of(at: TracebackType | None, own: Callable[[FrameType], bool]) -> str:
    """Where a plugin's own code was, the innermost line of it; "" where none of it was run."""
    found = ""
    while at is not None:
        if own(at.tb_frame):
            found = f" ({Path(at.tb_frame.f_code.co_filename).name}:{at.tb_lineno})"
        at = at.tb_next
    return found


def _own_version() -> str:
    from constitutional import __version__

    return __version__
