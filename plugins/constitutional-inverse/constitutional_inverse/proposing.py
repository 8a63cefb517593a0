"""What a model says may explain a preference, and proposals that say the same made one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from difflib import SequenceMatcher

BULLET = re.compile(r"^\s*(?:[-*•]|\(?\d+[.)])\s*")
SAME = 0.82
"""Proposals whose words, in their order, agree so far are one. Order counts: "cats over dogs" is not "dogs over cats"."""
LONGEST, SHORTEST = 300, 8
EMPTY = frozenset(
    re.findall(
        r"\w+",
        """a an the is are be of to in it its that this answer response which and or for with as should must selects select
        prefers prefer better""",
    )
)


def proposals_in(text: str) -> list[str]:
    """One rule a line, without bullets and quotes; lines that are no rule (too long, a heading) are left out."""
    found = []
    for line in text.splitlines():
        rule = BULLET.sub("", line).strip().strip("\"'“”").strip()
        if SHORTEST <= len(rule) <= LONGEST and not rule.endswith(":"):
            found.append(rule if rule.endswith((".", "!", "?")) else f"{rule}.")
    return found


def merged(proposals: Iterable[str]) -> list[str]:
    """Those proposed most often first; of a group that says the same, the wording that was proposed most, then the
    shortest."""
    groups: list[list[tuple[str, int]]] = []
    counted = Counter(proposals)
    for rule, count in sorted(counted.items(), key=lambda item: (-item[1], len(item[0]), item[0])):
        group = next((group for group in groups if alike(group[0][0], rule)), None)
        if group is None:
            groups.append([(rule, count)])
        else:
            group.append((rule, count))
    groups.sort(key=lambda group: -sum(count for _, count in group))
    return [group[0][0] for group in groups]


def alike(one: str, other: str) -> bool:
    return SequenceMatcher(None, _words(one), _words(other), autojunk=False).ratio() >= SAME


def _words(text: str) -> list[str]:
    words = re.findall(r"[^\W_]+", text.casefold())
    kept = [_stem(word) for word in words if word not in EMPTY]
    return kept or words


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word
