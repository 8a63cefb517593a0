"""Tags that a constitution or a run file names and no prompt has, while prompts have one that is spelt almost alike: such a
slip switches a principle on or off for nobody, and nothing else would tell."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from constitutional.config.run import RunConfig
from constitutional.core.constitution import Constitution

ALIKE = 0.75
MOST = 10_000
"""Different tags of prompts that are remembered."""


def misspelt_tags(constitution: Constitution, config: RunConfig, seen: Collection[str]) -> list[str]:
    """A line for each. A tag that is named somewhere is meant as it is, and is offered for no other."""
    named: dict[str, list[str]] = {}
    for _, principle in constitution:
        for tag in (*principle.tags, *principle.unless):
            named.setdefault(tag, []).append(f"principle {principle.id}")
    for tag in constitution.contexts:
        named.setdefault(tag, []).append("contexts")
    for tag in config.split.tags:
        named.setdefault(tag, []).append("split.tags")
    others = sorted(set(seen) - named.keys())
    found = []
    for tag in sorted(named.keys() - set(seen)):
        if close := difflib.get_close_matches(tag, others, n=1, cutoff=ALIKE):
            found.append(f"no prompt has the tag {tag!r} ({', '.join(named[tag])}), and some have {close[0]!r}")
    return found
