"""Writes docs/hooks.md from ``hookspecs.py``: ``python -m docs.make_hook_reference``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from constitutional import hookspecs
from constitutional.plugins import KINDS
from constitutional.roles import (
    Critic,
    Filter,
    Judge,
    Pairing,
    PlannedPairing,
    PromptFilter,
    Reviser,
    Scorer,
    SetFilter,
    SurveyFilter,
)

PAGE = Path(__file__).parent / "hooks.md"
VERSION = ".".join(str(part) for part in hookspecs.PLUGIN_API)
HEAD = f"""# Hooks

Written by `python -m docs.make_hook_reference` from `constitutional/hookspecs.py`: change the docstrings there, not this
page. How to write a plugin, from the beginning, is in [plugins.md](plugins.md).

This is plugin API {VERSION}. Hook arguments are only ever added, and a hook that names fewer of them is called with those.
What is to go is deprecated first and warns for one minor release.
"""
PROTOCOLS: dict[str, tuple[type, ...]] = {
    "critic": (Critic,),
    "reviser": (Reviser,),
    "judge": (Judge,),
    "scorer": (Scorer,),
    "pairing": (Pairing, PlannedPairing),
    "filter": (Filter, PromptFilter, SetFilter, SurveyFilter),
}
MODEL = """What the factory returns has `id`, `identity`, `chat(request)`, `choose(request, options)` and `aclose()`: the
protocol `ChatModel` in `constitutional/models/base.py`."""
REGISTER = """Each is called once, with `register(name, factory, *, config=None)`. They only name things: the factory is
called when a run names the thing, with a `Setup` (a `ModelSetup` for providers, nothing for constitutions). A name that
ships stays what it is; two plugins with one name make that name an error."""
OBSERVE = """They need no registration, and hear every run of whoever installed the plugin. One that raises is reported once
on standard error and stops nothing."""


def hooks() -> dict[str, Callable[..., Any]]:
    """In the order of the file."""
    return {
        name: value
        for name, value in vars(hookspecs).items()
        if inspect.isfunction(value) and "constitutional_spec" in vars(value)
    }


def reference() -> str:
    """The whole page."""
    registering = {name: hook for name, hook in hooks().items() if name in KINDS.values()}
    observing = {name: hook for name, hook in hooks().items() if name not in registering}
    parts = [HEAD, "## Hooks that register", REGISTER]
    parts += [_section(name, hook) for name, hook in registering.items()]
    parts += ["## Hooks that observe", OBSERVE]
    parts += [_section(name, hook) for name, hook in observing.items()]
    return "\n\n".join(part.strip() for part in parts).replace("``", "`") + "\n"


def _section(name: str, hook: Callable[..., Any]) -> str:
    arguments = ", ".join(inspect.signature(hook).parameters)
    return "\n\n".join([f"### `{name}({arguments})`", inspect.cleandoc(hook.__doc__ or ""), *_methods(name)])


def _methods(name: str) -> Iterator[str]:
    kind = next((kind for kind, hook in KINDS.items() if hook == name), None)
    if kind == "model":
        yield MODEL
    protocols = PROTOCOLS.get(kind or "", ())
    if protocols:
        lines = [line for protocol in protocols for line in _lines(protocol)]
        yield "What the factory returns has" + (" one or several of:" if len(protocols) > 2 else ":")
        yield "\n".join(lines)


def _lines(protocol: type) -> Iterator[str]:
    about = inspect.cleandoc(protocol.__doc__ or "") if "Protocol" not in (protocol.__doc__ or "Protocol") else ""
    for name, method in vars(protocol).items():
        if not name.startswith("_") and inspect.isfunction(method):
            signature = inspect.signature(method)
            named = ", ".join(f"{p.name}: {p.annotation}" for p in list(signature.parameters.values())[1:])
            said = f": {' '.join(about.split())}" if about else ""
            yield f"- `{name}({named}) -> {signature.return_annotation}`{said}"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
