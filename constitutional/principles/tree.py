"""A constitution as something to read: a tree with where each principle came from, a mermaid graph, or JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from constitutional.core.constitution import Constitution, Example, PluginUse, Principle, Tier

WIDTH = 100
MODES = {
    "tiered": "tiered: the highest tier that is no tie decides",
    "draw": "draw: one principle at random per revision and per comparison",
    "all": "all: every principle counts, whatever its tier",
}


def as_text(constitution: Constitution) -> str:
    return "\n".join(_lines(constitution))


def _lines(constitution: Constitution) -> Iterator[str]:
    yield f"{constitution.name} {constitution.version}"
    if constitution.description:
        yield from _wrapped(constitution.description, "  ")
    yield f"  mode {MODES[constitution.mode]}"
    if constitution.on_unresolved != "reject":
        yield f"  on_unresolved {constitution.on_unresolved}: a refusal is asked for where a hard violation stays"
    for number, tier in enumerate(constitution.tiers, 1):
        yield ""
        yield f"{number}. {tier.id}  {tier.force}{_tolerance(tier)}"
        for principle in tier.principles:
            yield from _principle(principle, constitution.name)
    if constitution.contexts:
        yield ""
        yield "contexts (factors on weights, by tag)"
        for tag, factors in constitution.contexts.items():
            yield f"  {tag}: {', '.join(f'{name} × {factor:g}' for name, factor in factors.items())}"


def _tolerance(tier: Tier) -> str:
    return f", tie up to ±{tier.tolerance:g}" if tier.tolerance else ""


def _principle(principle: Principle, own: str) -> Iterator[str]:
    about = [*_scope(principle), *_plugins(principle), _examples(principle)]
    if principle.weight != 1:
        about.insert(0, f"weight {principle.weight:g}")
    origin = "" if principle.origin.removesuffix(".yaml") == own else f"  ← {principle.origin}"
    yield f"   {principle.id}{origin}"
    yield from _wrapped(principle.statement, "     ")
    for key, text in (("critique", principle.critique), ("revision", principle.revision), ("prefer", principle.prefer)):
        if text:
            yield from _wrapped(f"{key}: {text}", "     ")
    yield f"     ({'; '.join(about)})"


def _scope(principle: Principle) -> Iterator[str]:
    if principle.tags:
        yield f"only for {', '.join(sorted(principle.tags))}"
    if principle.unless:
        yield f"not for {', '.join(sorted(principle.unless))}"


def _plugins(principle: Principle) -> Iterator[str]:
    for role, use in (("judge", principle.judge), ("critic", principle.critic)):
        if use:
            yield f"{role} {use.plugin}"


def _examples(principle: Principle) -> str:
    count = len(principle.examples)
    return f"{count or 'no'} example{'' if count == 1 else 's'}"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), WIDTH, initial_indent=indent, subsequent_indent=indent)


def as_mermaid(constitution: Constitution) -> str:
    """Tiers from the highest to the lowest, their principles beside them, contexts as dotted arrows with factors."""
    lines = ["flowchart TB", f'  constitution(["{_label(constitution.name)} {_label(constitution.version)}"])']
    nodes: dict[str, str] = {}
    above = "constitution"
    for t, tier in enumerate(constitution.tiers):
        nodes[tier.id] = f"t{t}"
        lines.append(f'  t{t}["{_label(tier.id)}<br/>{tier.force}{_tolerance(tier)}"]')
        lines.append(f"  {above} {'-->' if t == 0 else '-- then -->'} t{t}")
        above = f"t{t}"
        for p, principle in enumerate(tier.principles):
            nodes[principle.id] = f"t{t}p{p}"
            scope = "".join(f"<br/>{_label(words)}" for words in _scope(principle))
            lines.append(f'  t{t} --- t{t}p{p}("{_label(principle.id)}{scope}")')
    for c, (tag, factors) in enumerate(constitution.contexts.items()):
        lines.append(f'  c{c}{{{{"{_label(tag)}"}}}}')
        lines += [f'  c{c} -. "× {factor:g}" .-> {nodes[name]}' for name, factor in factors.items()]
    return "\n".join(lines)


def _label(text: str) -> str:
    """Mermaid reads quotes, brackets of HTML and # in a label as its own."""
    signs = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;"}
    return "".join(signs.get(sign, sign) for sign in " ".join(text.split()))


def as_data(constitution: Constitution) -> dict[str, Any]:
    return {
        "name": constitution.name,
        "version": constitution.version,
        "description": constitution.description,
        "mode": constitution.mode,
        "on_unresolved": constitution.on_unresolved,
        "tiers": [
            {
                "id": tier.id,
                "force": tier.force,
                "tolerance": tier.tolerance,
                "principles": [_principle_data(principle) for principle in tier.principles],
            }
            for tier in constitution.tiers
        ],
        "contexts": {tag: dict(factors) for tag, factors in constitution.contexts.items()},
    }


def _principle_data(principle: Principle) -> dict[str, Any]:
    return {
        "id": principle.id,
        "statement": principle.statement,
        "critique": principle.critique or None,
        "revision": principle.revision or None,
        "prefer": principle.prefer or None,
        "weight": principle.weight,
        "when": {"tags": sorted(principle.tags), "unless": sorted(principle.unless)},
        "judge": _use_data(principle.judge),
        "critic": _use_data(principle.critic),
        "origin": principle.origin,
        "examples": [_example_data(example) for example in principle.examples],
    }


def _use_data(use: PluginUse | None) -> dict[str, Any] | None:
    return {"plugin": use.plugin, "options": dict(use.options)} if use else None


def _example_data(example: Example) -> dict[str, str]:
    if example.better and example.worse:
        return {"prompt": example.prompt, "better": example.better, "worse": example.worse}
    return {"prompt": example.prompt, "response": example.response or "", "verdict": example.verdict or ""}
