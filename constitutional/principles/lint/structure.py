"""Rules about where a principle applies and how the file is put together."""

from __future__ import annotations

import re
from collections.abc import Iterator

from constitutional.config.source import Loc
from constitutional.errors import near_matches
from constitutional.principles.lint.rule import Draft, Hit, Rule, Subject

REVIEWER = "reviewer"
"""What a model that is asked reports under: silenced as a rule is."""


def unreachable_when(draft: Draft) -> Iterator[Hit]:
    for subject in draft.subjects:
        tags, unless = subject.item.tags, subject.item.unless
        if not tags:
            continue
        silenced = {tag for tag in tags if _factor(draft, subject, tag) == 0}
        if tags <= unless:
            message = f"never applies: each of its tags ({', '.join(sorted(tags))}) is also under unless"
        elif tags <= unless | silenced:
            message = f"never applies: contexts set its weight to 0 for {', '.join(sorted(silenced))}"
        else:
            continue
        yield Hit((*subject.loc, "when"), message, "take the tag out of one of the two places")


def context_without_effect(draft: Draft) -> Iterator[Hit]:
    items = {principle.id: principle for _, principle in draft.whole}
    for tag, factors in draft.source.data.get("contexts", {}).items():
        for name, factor in factors.items():
            loc = ("contexts", tag, name)
            if factor == 1:
                yield Hit(loc, "a factor of 1 changes nothing", "leave it out")
            elif name in items and tag in items[name].unless:
                message = f"{name!r} does not apply to prompts tagged {tag!r}: its `unless` says so"
                yield Hit(loc, message, "take the tag out of one of the two places")


def _factor(draft: Draft, subject: Subject, tag: str) -> float:
    factors = draft.whole.contexts.get(tag, {})
    return factors.get(subject.tier.id, 1.0) * factors.get(subject.item.id, 1.0)


def unpaired_request(draft: Draft) -> Iterator[Hit]:
    """A list of comparisons, where nothing has a request, is left alone: the default questions serve it."""
    paired = any(principle.critique or principle.revision for _, principle in draft.whole)
    for subject in draft.subjects if draft.whole.mode == "draw" and paired else ():
        requests = {"critique": subject.item.critique, "revision": subject.item.revision}
        missing = [key for key, text in requests.items() if not text]
        if missing:
            message = (
                f"mode draw asks for a critique and a revision of one principle; {' and '.join(missing)} missing here"
            )
            yield Hit((*subject.loc, "id"), message, "write the two as one pair: what to look for, and how to mend it")


def unknown_rule(draft: Draft) -> Iterator[Hit]:
    from constitutional.principles.lint import RULES

    data = draft.source.data
    given: list[tuple[Loc, str]] = [
        (("lint", "ignore", at), name) for at, name in enumerate(data.get("lint", {}).get("ignore", ()))
    ]
    for subject in draft.subjects:
        _, tier, _, principle = subject.loc
        names = data["tiers"][tier]["principles"][principle].get("lint_ignore", ())
        given += [((*subject.loc, "lint_ignore", at), name) for at, name in enumerate(names)]
    for loc, name in given:
        if name not in RULES and name != REVIEWER:
            yield Hit(
                loc,
                f"no lint rule {name!r}{near_matches(name, RULES)}",
                "`principles lint --rules` lists them",
            )


def cut_short(draft: Draft) -> Iterator[Hit]:
    """Only a # with no space behind it: with one it looks like the comment that it is."""
    for subject in draft.subjects:
        for key, _ in subject.halves():
            loc = (*subject.loc, key)
            line = draft.source.line(loc)
            found = re.fullmatch(rf"\s*(?:- +)?{key}: +[^\s\"'|>{{\[#].*?\s(#\S.*)", line)
            if found:
                message = f"ends before {found[1]!r}: for YAML a # behind a space begins a comment"
                yield Hit(loc, message, "put the whole text in quotes, or under `>`")


_WHEN = "id: dose\nstatement: The answer names its source.\nwhen:\n  tags: [medical]\n  unless: [%s]"
_HALF = "id: sourced\nstatement: The answer names its source.\ncritique: Point out the numbers without a source."

RULES = (
    Rule(
        "cut-short",
        "warning",
        "What stands behind a # is a comment: the principle loads without it, and nobody is told.",
        "id: ticket\nstatement: The answer names the number of the ticket, such as #42, in its first sentence.",
        'id: ticket\nstatement: "The answer names the number of the ticket, such as #42, in its first sentence."',
        cut_short,
    ),
    Rule(
        "unreachable-when",
        "warning",
        "A principle that no prompt can reach looks like a rule and is none.",
        _WHEN % "medical",
        _WHEN % "fiction",
        unreachable_when,
    ),
    Rule(
        "context-without-effect",
        "warning",
        "A factor that changes nothing misleads the next reader.",
        "contexts:\n  medical: {safety: 1.0}",
        "contexts:\n  medical: {safety: 2.0}",
        context_without_effect,
    ),
    Rule(
        "unpaired-request",
        "warning",
        "The published process draws one principle per round and uses its critique request with its own revision request.",
        _HALF,
        f"{_HALF}\nrevision: Rewrite the answer so that each number has its source.",
        unpaired_request,
    ),
    Rule(
        "unknown-rule",
        "warning",
        "A misspelt rule id silences nothing.",
        "lint: {ignore: [negations]}",
        "lint: {ignore: [negation]}",
        unknown_rule,
    ),
)
