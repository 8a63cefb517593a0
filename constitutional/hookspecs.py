"""Every hook that a plugin can implement, and nothing else.

A plugin is a module (or object) named by an entry point in the group ``constitutional``:

    [project.entry-points.constitutional]
    my_judge = "my_judge"

with one decorated function per kind of thing it offers:

    from constitutional import hookimpl

    @hookimpl
    def register_judges(register):
        register("my-judge", MyJudge, config=MyOptions)

The ``register_*`` hooks only name things: ``register(name, factory, *, config=None)``. ``factory(setup)`` is called when
a run names the thing, with a ``constitutional.roles.Setup``; ``config`` is the pydantic model of its options. What the
factory returns does the work: see the protocols in ``constitutional/roles.py``.

Hook arguments are only ever added: a hook that names fewer of them is called with those. What is to go is deprecated
first, and warns for one minor release of the toolkit (``PluginDeprecation``), by ``constitutional plugins`` and by every
run that loads the plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from pathlib import Path

    from constitutional.core.records import Trace
    from constitutional.plugins import Register
    from constitutional.roles import RunInfo, RunResult

PLUGIN_API = (1, 0)
"""The version of all that a plugin may use: these hooks, ``constitutional.__all__`` and ``constitutional.testing``. The
second number grows when something is added, the first when something is taken away. A module that sets ``plugin_api`` to
the version it was written for is refused, with both numbers, where that cannot work."""

hookspec = pluggy.HookspecMarker("constitutional")
hookimpl = pluggy.HookimplMarker("constitutional")


class PluginDeprecation(DeprecationWarning):
    """A plugin uses something that the next minor release will not have; the message says what to use in its place."""


@hookspec
def register_models(register: Register) -> None:
    """Providers: the part of ``provider:model`` before the colon. Factories take a ``ModelSetup``."""


@hookspec
def register_critics(register: Register) -> None:
    """Critics say whether a response violates a principle, and why."""


@hookspec
def register_revisers(register: Register) -> None:
    """Revisers rewrite a response so that it upholds a principle."""


@hookspec
def register_judges(register: Register) -> None:
    """Judges say how probable it is that one response is better than another under a principle."""


@hookspec
def register_scorers(register: Register) -> None:
    """Scorers grade one response under a principle, 0 to 1."""


@hookspec
def register_pairings(register: Register) -> None:
    """Pairings decide which responses of a prompt are compared."""


@hookspec
def register_filters(register: Register) -> None:
    """Filters drop pairs, with a reason."""


@hookspec
def register_constitutions(register: Register) -> None:
    """Constitutions by name: the factory takes nothing and returns the path of a YAML file."""


@hookspec
def run_started(run: RunInfo, folder: Path) -> None:
    """Observer: a run begins or resumes."""


@hookspec
def trace_finished(trace: Trace) -> None:
    """Observer: one prompt is done (not called for prompts that an earlier run finished)."""


@hookspec
def run_finished(run: RunInfo, result: RunResult) -> None:
    """Observer: the run ended, for whatever reason ``result`` gives."""
