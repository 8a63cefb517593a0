"""Everything that a plugin may rely on, as text: ``python -m tests.support.signatures`` writes it down."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import constitutional
import constitutional.testing
from constitutional import hookspecs
from constitutional.plugins import Registered
from constitutional.testing import plugin

COMMANDS = ("constitutional.api", "constitutional.evaluation", "constitutional.training")
"""The commands from Python, and their settings: for whoever runs them, and no plugin's."""
PAGE = Path(__file__).parents[1] / "public_signatures.txt"


def signatures() -> list[str]:
    """One line a name, argument list, field or method."""
    lines = [f"plugin_api {'.'.join(str(part) for part in hookspecs.PLUGIN_API)}"]
    for name, hook in vars(hookspecs).items():
        if inspect.isfunction(hook) and "constitutional_spec" in vars(hook):
            lines.append(f"hook {name}({', '.join(inspect.signature(hook).parameters)})")
    for module in (constitutional, constitutional.testing):
        for name in sorted(module.__all__):
            if str(getattr(getattr(module, name), "__module__", "")).startswith(COMMANDS):
                continue
            lines += _lines(f"{module.__name__}.{name}", getattr(module, name))
    lines += _lines("constitutional.plugins.Registered", Registered)
    lines += [f"fixture {name}" for name, value in sorted(vars(plugin).items()) if _is_fixture(value)]
    return lines


def _lines(name: str, value: Any) -> Iterator[str]:
    if inspect.isfunction(value):
        yield f"{name}{inspect.signature(value)}"
    elif inspect.isclass(value):
        yield f"class {name}({', '.join(base.__name__ for base in value.__bases__)})"
        yield from (f"  {name}{line}" for line in _members(value))
    else:
        yield f"value {name}"


def _members(kind: type) -> Iterator[str]:
    if dataclasses.is_dataclass(kind):
        for field in dataclasses.fields(kind):
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            yield f".{field.name}: {field.type}{'' if required else ' (has a default)'}"
    elif hasattr(kind, "_fields"):
        yield from (f".{field}" for field in kind._fields)
    for name, member in sorted(vars(kind).items()):
        if name.startswith("_") or (dataclasses.is_dataclass(kind) and name in kind.__dataclass_fields__):
            continue
        if isinstance(member, classmethod | staticmethod):
            member = member.__func__
        if inspect.isfunction(member):
            yield f".{name}{inspect.signature(member)}"
        elif isinstance(member, property):
            yield f".{name}"


def _is_fixture(value: Any) -> bool:
    return type(value).__name__ == "FixtureFunctionDefinition"


if __name__ == "__main__":
    PAGE.write_text("\n".join(signatures()) + "\n", encoding="utf-8")
