"""A constitution back to YAML: resolved, with everything that it extends, in one file that stands alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml

from constitutional.core.constitution import Constitution, Example, PluginUse, Principle, Tier

Options = Callable[[Any], Any]


def constitution_file(constitution: Constitution, options: Options = lambda value: value) -> str:
    """A file that reads as the same constitution. What has its default is left out; ``options`` is what becomes of the
    options of plugins."""
    lint = sorted(constitution.lint_ignore)
    value = {
        "name": constitution.name,
        "version": constitution.version,
        "description": constitution.description,
        "mode": constitution.mode if constitution.mode != "tiered" else None,
        "on_unresolved": constitution.on_unresolved if constitution.on_unresolved != "reject" else None,
        "tiers": [_tier(tier, options) for tier in constitution.tiers],
        "contexts": {tag: dict(factors) for tag, factors in constitution.contexts.items()},
        "lint": {"ignore": lint} if lint else None,
    }
    return yaml.safe_dump(_given(value), sort_keys=False, allow_unicode=True, width=100)


def _tier(tier: Tier, options: Options) -> dict[str, Any]:
    principles = [_principle(principle, options) for principle in tier.principles]
    return _given({"id": tier.id, "force": tier.force, "tolerance": tier.tolerance, "principles": principles})


def _principle(principle: Principle, options: Options) -> dict[str, Any]:
    return _given(
        {
            "id": principle.id,
            "statement": principle.statement,
            "critique": principle.critique,
            "revision": principle.revision,
            "prefer": principle.prefer,
            "weight": principle.weight if principle.weight != 1 else None,
            "when": _given({"tags": sorted(principle.tags), "unless": sorted(principle.unless)}),
            "judge": _use(principle.judge, options),
            "critic": _use(principle.critic, options),
            "examples": [_example(example) for example in principle.examples],
            "lint_ignore": sorted(principle.lint_ignore),
        }
    )


def _use(use: PluginUse | None, options: Options) -> dict[str, Any] | None:
    return None if use is None else _given({"plugin": use.plugin, "options": options(dict(use.options))})


def _example(example: Example) -> dict[str, Any]:
    return _given(
        {
            "prompt": example.prompt,
            "response": example.response,
            "verdict": example.verdict,
            "better": example.better,
            "worse": example.worse,
        }
    )


def _given(value: dict[str, Any]) -> dict[str, Any]:
    return {key: inner for key, inner in value.items() if inner not in (None, "", [], {}, 0.0)}
