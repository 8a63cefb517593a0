"""Write principles in YAML, get a preference dataset you can trust, and a model trained on it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from constitutional.core.constitution import Constitution, Principle, Tier
    from constitutional.core.records import (
        Critique,
        Judgement,
        Pair,
        Prompt,
        Reject,
        Response,
        Ruling,
        Score,
        Trace,
    )
    from constitutional.errors import ConstitutionalError
    from constitutional.hookspecs import hookimpl
    from constitutional.roles import Arena, Setup

__version__ = "0.1.0"

_HOME = {
    "Arena": "roles",
    "Constitution": "core.constitution",
    "ConstitutionalError": "errors",
    "Critique": "core.records",
    "Judgement": "core.records",
    "Pair": "core.records",
    "Principle": "core.constitution",
    "Prompt": "core.records",
    "Reject": "core.records",
    "Response": "core.records",
    "Ruling": "core.records",
    "Score": "core.records",
    "Setup": "roles",
    "Tier": "core.constitution",
    "Trace": "core.records",
    "hookimpl": "hookspecs",
}
__all__ = [
    "Arena",
    "Constitution",
    "ConstitutionalError",
    "Critique",
    "Judgement",
    "Pair",
    "Principle",
    "Prompt",
    "Reject",
    "Response",
    "Ruling",
    "Score",
    "Setup",
    "Tier",
    "Trace",
    "__version__",
    "hookimpl",
]


def __getattr__(name: str) -> Any:
    """Import on first use: ``import constitutional`` and ``constitutional --help`` stay instant."""
    if name not in _HOME:
        raise AttributeError(f"module 'constitutional' has no attribute {name!r}")
    return getattr(importlib.import_module(f"constitutional.{_HOME[name]}"), name)
