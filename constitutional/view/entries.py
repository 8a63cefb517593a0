"""One trace, as the ledger has it, to the entries of the index. From the JSON alone: a million are read in one go."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from constitutional.core.digest import pair_id

SHOWN = 180
"""Characters of each text that the list shows."""
SEARCHED = 20_000
"""Characters of each text that the search knows."""
CLEAR = 0.1
"""|2p − 1| from which a principle is said to have taken a side."""
PAIR, NONE, DROPPED = 0, 1, 2

Word = tuple[str, str]
"""Field and value: ("tier", "safety")."""


class Entry(NamedTuple):
    n: int
    kind: int
    pair: str
    margin: float
    p: float
    gap: int
    tier: str
    strategy: str
    conflict: bool
    veto: bool
    why: str
    prompt: str
    chosen: str
    rejected: str
    text: str
    words: tuple[Word, ...]


def entries(body: str) -> list[Entry]:
    trace = json.loads(body)
    prompt = trace["prompt"]
    messages = prompt["messages"]
    asked = messages[-1][1] if messages else ""
    said = "\n".join(content[:SEARCHED] for _, content in messages)
    reasons = list(dict.fromkeys(reject["reason"] for reject in trace["rejects"]))
    common: list[Word] = [("tag", tag) for tag in prompt["tags"]] + [("reason", reason) for reason in reasons]
    violated = {one["principle_id"] for one in trace["critiques"] if one["violates"]}
    common += [("violated", name) for name in sorted(violated)]
    if not trace["pairs"]:
        answers = [response["text"] for response in trace["responses"]]
        first = next((reject["reason"] for reject in trace["rejects"]), "")
        text = "\n".join((said, *(answer[:SEARCHED] for answer in answers[:8])))
        begin = answers[0][:SHOWN] if answers else ""
        return [
            Entry(-1, NONE, "", 0.0, 0.5, 0, "", "", False, False, _last(trace, first), asked[:SHOWN], begin, "", text,
                  tuple(common))
        ]  # fmt: skip
    sides = _sides(trace)
    return [_pair(n, pair, messages, asked, said, common, violated, sides) for n, pair in enumerate(trace["pairs"])]


def _last(trace: dict[str, Any], first: str) -> str:
    """Why it ended: the last reject, as those of revisions come before it."""
    return trace["rejects"][-1]["reason"] if trace["rejects"] else first


def _sides(trace: dict[str, Any]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for one in trace["judgements"]:
        if one["p"] is not None and abs(2 * one["p"] - 1) >= CLEAR:
            found.setdefault((one["a"], one["b"]), []).append(one["principle_id"])
    return found


def _pair(
    n: int, pair: dict[str, Any], messages: Any, asked: str, said: str, common: list[Word], violated: set[str],
    sides: dict[tuple[str, str], list[str]],
) -> Entry:  # fmt: skip
    ruling, chosen, rejected = pair["ruling"], pair["chosen"]["text"], pair["rejected"]["text"]
    principles = violated.union(sides.get((ruling["a"], ruling["b"]), ()))
    tier, conflict, veto = ruling["tier_id"] or "", bool(ruling["conflicts"]), ruling["vetoed_by"] is not None
    words = [*common, *(("principle", name) for name in sorted(principles)), ("strategy", pair["strategy"])]
    words += [("tier", tier)] if tier else []
    words += [("mark", "conflict")] * conflict + [("mark", "veto")] * veto
    return Entry(
        n, PAIR, pair_id(messages, chosen, rejected), pair["margin"], pair["p_chosen"], len(chosen) - len(rejected), tier,
        pair["strategy"], conflict, veto, "", asked[:SHOWN], chosen[:SHOWN], rejected[:SHOWN],
        "\n".join((said, chosen[:SEARCHED], rejected[:SEARCHED])), tuple(dict.fromkeys(words)),
    )  # fmt: skip
