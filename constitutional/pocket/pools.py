"""Which questions a model learns from, which it makes its dataset of, and which nobody shows it before it is tested.

A question is held out with its whole combination of slots: no wording of it is in another pool. Only where the answer is
a fact (``known``) the fact itself must have been learned, and there the combination of fact and wording is new."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from random import Random
from typing import Literal

from constitutional.core.digest import random_for
from constitutional.pocket.words import NEW_HAZARDS
from constitutional.pocket.world import KINDS, Question, universe

Pool = Literal["pretraining", "generation", "held-out"]
RISKY = 0.45
"""The share of risky questions in a sample; the kinds of each side are equally frequent."""


def pool_of(question: Question) -> Pool:
    if set(question.values) & set(NEW_HAZARDS):
        return "held-out"
    if KINDS[question.kind].known:
        return _by_wording(question)
    share = random_for(0, "/".join(question.values), "pool").random()
    return "held-out" if share < 0.15 else "generation" if share < 0.45 else "pretraining"


def _by_wording(question: Question) -> Pool:
    """Of each fact one wording is held out and one or two are for generation; what is left teaches the fact."""
    count = len(KINDS[question.kind].wordings)
    order = random_for(0, "/".join((question.kind, *question.values)), "pool").sample(range(count), count)
    place = order.index(question.wording)
    return "held-out" if place == 0 else "generation" if place <= count // 3 else "pretraining"


@cache
def pool(name: Pool) -> dict[str, tuple[Question, ...]]:
    """The questions of a pool, by kind."""
    found: dict[str, list[Question]] = {kind: [] for kind in KINDS}
    for question in universe():
        if pool_of(question) == name:
            found[question.kind].append(question)
    return {kind: tuple(questions) for kind, questions in found.items()}


def sample(name: Pool, count: int, seed: int = 0) -> list[Question]:
    """Different questions, mixed: the same seed gives the same ones, and a longer sample begins like a shorter one.

    Asked for more than a kind has, it gives more of the others."""
    random = Random(f"{seed}:{name}:sample")
    left = {kind: random.sample(questions, len(questions)) for kind, questions in pool(name).items()}
    chosen: list[Question] = []
    while len(chosen) < count and any(left.values()):
        chosen.append(left[_kind(random, [kind for kind, questions in left.items() if questions])].pop())
    return chosen


def write_prompts(path: Path, questions: Iterable[Question]) -> None:
    """As a file of prompts that ``constitutional generate`` reads."""
    path.write_text("".join(f"{json.dumps(_row(question))}\n" for question in questions), encoding="utf-8")


def _row(question: Question) -> dict[str, object]:
    messages = question.messages
    if len(messages) == 1:
        return {"prompt": messages[0].content, "tags": question.prompt.tags}
    return {"messages": [message._asdict() for message in messages], "tags": question.prompt.tags}


def pick(random: Random, name: Pool) -> Question:
    """One question, as often as a sample would have its kind."""
    return random.choice(pool(name)[_kind(random, list(KINDS))])


def _kind(random: Random, kinds: list[str]) -> str:
    risky = [kind for kind in kinds if KINDS[kind].risky]
    harmless = [kind for kind in kinds if not KINDS[kind].risky]
    side = risky if risky and (not harmless or random.random() < RISKY) else harmless
    return random.choice(side)
