"""Write principles in YAML, get a preference dataset you can trust, and a model trained on it.

From Python: ``generate(run)`` makes a dataset, ``train(TrainSettings(…))`` trains on it, ``evaluate(EvaluateSettings(…))``
compares the models. Each is a plain function, in a script, a thread or a notebook, and raises a ``ConstitutionalError``
where something is wrong. The other names are what a plugin needs: records, ``Setup``, ``hookimpl``; a test kit is in
``constitutional.testing``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from constitutional.api import Generated, generate
    from constitutional.builtin.judges.orders import Reading, both_orders, reading_of
    from constitutional.core.constitution import Constitution, PluginUse, Principle, Tier
    from constitutional.core.digest import digest, random_for, seed_for
    from constitutional.core.messages import ChatReply, ChatRequest, Choice, Sampling, Usage
    from constitutional.core.records import (
        Critique,
        Drop,
        Judgement,
        Message,
        Pair,
        Prompt,
        Reject,
        Response,
        Ruling,
        Score,
        Trace,
    )
    from constitutional.errors import (
        ConfigError,
        ConstitutionalError,
        MissingExtraError,
        ModelUnavailableError,
        RateLimitedError,
        RequestRefusedError,
        TransientError,
    )
    from constitutional.evaluation.run import evaluate
    from constitutional.evaluation.settings import EvaluateSettings
    from constitutional.hookspecs import PLUGIN_API, hookimpl
    from constitutional.models.base import NoLogprobs
    from constitutional.pipeline.open_model import open_model
    from constitutional.plugins import Register
    from constitutional.roles import Arena, Dropped, Model, ModelSetup, Needs, Rewrite, RunInfo, RunResult, Setup
    from constitutional.templates import Templates
    from constitutional.training.run import train
    from constitutional.training.settings import TrainSettings

__version__ = "0.1.0"

_HOME = {
    "Arena": "roles",
    "ChatReply": "core.messages",
    "ChatRequest": "core.messages",
    "Choice": "core.messages",
    "ConfigError": "errors",
    "Constitution": "core.constitution",
    "ConstitutionalError": "errors",
    "Critique": "core.records",
    "Drop": "core.records",
    "Dropped": "roles",
    "EvaluateSettings": "evaluation.settings",
    "Generated": "api",
    "Judgement": "core.records",
    "Message": "core.records",
    "MissingExtraError": "errors",
    "Model": "roles",
    "ModelSetup": "roles",
    "ModelUnavailableError": "errors",
    "Needs": "roles",
    "NoLogprobs": "models.base",
    "PLUGIN_API": "hookspecs",
    "Pair": "core.records",
    "PluginUse": "core.constitution",
    "Principle": "core.constitution",
    "Prompt": "core.records",
    "RateLimitedError": "errors",
    "Reading": "builtin.judges.orders",
    "Register": "plugins",
    "Reject": "core.records",
    "RequestRefusedError": "errors",
    "Response": "core.records",
    "Rewrite": "roles",
    "Ruling": "core.records",
    "RunInfo": "roles",
    "RunResult": "roles",
    "Sampling": "core.messages",
    "Score": "core.records",
    "Setup": "roles",
    "Templates": "templates",
    "Tier": "core.constitution",
    "Trace": "core.records",
    "TrainSettings": "training.settings",
    "TransientError": "errors",
    "Usage": "core.messages",
    "both_orders": "builtin.judges.orders",
    "digest": "core.digest",
    "evaluate": "evaluation.run",
    "generate": "api",
    "hookimpl": "hookspecs",
    "open_model": "pipeline.open_model",
    "random_for": "core.digest",
    "reading_of": "builtin.judges.orders",
    "seed_for": "core.digest",
    "train": "training.run",
}
__all__ = [
    "PLUGIN_API",
    "Arena",
    "ChatReply",
    "ChatRequest",
    "Choice",
    "ConfigError",
    "Constitution",
    "ConstitutionalError",
    "Critique",
    "Drop",
    "Dropped",
    "EvaluateSettings",
    "Generated",
    "Judgement",
    "Message",
    "MissingExtraError",
    "Model",
    "ModelSetup",
    "ModelUnavailableError",
    "Needs",
    "NoLogprobs",
    "Pair",
    "PluginUse",
    "Principle",
    "Prompt",
    "RateLimitedError",
    "Reading",
    "Register",
    "Reject",
    "RequestRefusedError",
    "Response",
    "Rewrite",
    "Ruling",
    "RunInfo",
    "RunResult",
    "Sampling",
    "Score",
    "Setup",
    "Templates",
    "Tier",
    "Trace",
    "TrainSettings",
    "TransientError",
    "Usage",
    "__version__",
    "both_orders",
    "digest",
    "evaluate",
    "generate",
    "hookimpl",
    "open_model",
    "random_for",
    "reading_of",
    "seed_for",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import on first use: ``import constitutional`` and ``constitutional --help`` stay instant."""
    if name not in _HOME:
        raise AttributeError(f"module 'constitutional' has no attribute {name!r}")
    return getattr(importlib.import_module(f"constitutional.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """What completion offers: the public names, imported or not."""
    return __all__
