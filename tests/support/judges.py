"""Judges with planted faults, for the scripted model, and labelled pairs on which each fault can be measured.

An answer says how good it is (``[7]``), and how long it is has nothing to do with that. People prefer the better one with
the log-odds ``TRUE`` per step; a judge looks at the same number and errs in its own way."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from math import exp, log, log2
from random import Random
from typing import Any

from constitutional.core.digest import digest
from constitutional.core.messages import ChatRequest

TRUE = 0.5
"""Log-odds of a preference per step of quality."""
PLACE, DOUBLING, UNREADABLE, TEMPERATURE = 1.2, 1.5, 0.3, 3.0
"""Planted: log-odds for the place shown first, and per doubling of length; share of unreadable verdicts; by how much the
overconfident judge's log-odds are too large."""
WORDS = (
    "parcel",
    "comes",
    "on",
    "a",
    "cart",
    "with",
    "bell",
    "and",
    "door",
    "of",
    "green",
    "wood",
    "by",
    "old",
    "mill",
)


@dataclass(frozen=True, slots=True)
class Faults:
    sense: float = TRUE
    place: float = 0.0
    doubling: float = 0.0
    unreadable: float = 0.0

    def __call__(self, request: ChatRequest, options: tuple[str, ...] | None) -> Any:
        if options != ("A", "B"):
            return policy(request, options)
        text = request.messages[-1].content
        a, b = _part(text, "Answer A"), _part(text, "Answer B")
        if _share(a, b) < self.unreadable:
            return {}
        odds = self.sense * (quality(a) - quality(b)) + self.doubling * log2(len(a) / len(b)) + self.place
        p = 1 / (1 + exp(-odds))
        return {"A": p, "B": 1 - p}


fair = Faults()
first = Faults(place=PLACE)
longer = Faults(sense=0.0, doubling=DOUBLING)
lengthy = Faults(doubling=DOUBLING)
"""Sees quality, and length too."""
contrary = Faults(sense=-TRUE)
mumbling = Faults(unreadable=UNREADABLE)
overconfident = Faults(sense=TEMPERATURE * TRUE)
coin = Faults(sense=0.0)


def policy(request: ChatRequest, options: tuple[str, ...] | None) -> Any:
    """Answers of any quality and length; no scorer and no critic is to be asked."""
    text = request.messages[-1].content
    if options is not None:
        grade = quality(_part(text, "The assistant's answer"))
        return {str(grade + 1): 1.0} if str(grade + 1) in options else {options[-1]: 1.0}
    return _answer(Random(f"{text} {request.sample}"))


CONSTITUTION: dict[str, Any] = {
    "name": "good",
    "tiers": [{"id": "main", "force": "strong", "principles": [{"id": "good", "statement": "The answer is good."}]}],
}


def labelled(n: int, seed: int = 0, *, noise: bool = True, tags: bool = False) -> list[dict[str, Any]]:
    """Pairs with labels. Of all pairs with one difference of quality the share that people label so is what ``TRUE`` says,
    as nearly as their number allows; without ``noise`` the better answer is always labelled."""
    random = Random(seed)
    drawn = [(_answer(random), _answer(random)) for _ in range(n)]
    by_step: dict[int, list[int]] = defaultdict(list)
    for place, (a, b) in enumerate(drawn):
        by_step[quality(a) - quality(b)].append(place)
    labels = {}
    for step, places in by_step.items():
        share = 1 / (1 + exp(-TRUE * step)) if noise else (step > 0) + (step == 0) / 2
        first = round(len(places) * share)
        random.shuffle(places)
        labels.update({place: "a" if rank < first else "b" for rank, place in enumerate(places)})
    rows = [
        {"prompt": f"Question {place}?", "a": a, "b": b, "label": labels[place]} for place, (a, b) in enumerate(drawn)
    ]
    return [row | {"tags": [("even", "odd")[place % 2]]} for place, row in enumerate(rows)] if tags else rows


def _answer(random: Random) -> str:
    words = [random.choice(WORDS) for _ in range(round(6 * 2 ** random.uniform(0, 3)))]
    return f"[{random.randrange(10)}] {' '.join(words)}."


def quality(answer: str) -> int:
    found = re.search(r"\[(\d)\]", answer)
    assert found, answer
    return int(found[1])


def _share(a: str, b: str) -> float:
    """A number that the two answers always have, 0 to 1, in whichever order."""
    return int(digest(sorted([a, b]))[:8], 16) / 0xFFFFFFFF


def _part(text: str, title: str) -> str:
    found = re.search(rf"^# {re.escape(title)}\n(.*?)(?=\n# |\Z)", text, re.DOTALL | re.MULTILINE)
    return found.group(1).strip() if found else ""


def logit(p: float) -> float:
    return log(p / (1 - p))
