"""Rules about wordings beside each other: the halves of one principle, and principles that say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import combinations

from constitutional.config.source import Loc
from constitutional.principles.lint.chinese import CHARACTER, is_chinese
from constitutional.principles.lint.direction import AMOUNT, FOLLOWING, amounts, wants
from constitutional.principles.lint.english import EMPTY, NEGATOR, stem
from constitutional.principles.lint.rule import Draft, Hit, Rule, Subject, each

ALIKE = 0.75
FEWEST_WORDS = 3
CHINESE_SUBJECT = re.compile(r"^(?:当|如果)?[^，]{0,2}(?:助手的?)?(?:回答|答复|回复|助手)(?:应当|应该|应|必须|要|会)?")


def halves_disagree(subject: Subject) -> Iterator[Hit]:
    """Each half is compared with the statement first, then with the halves before it."""
    halves = [(key, wants(key, text) | amounts(key, text)) for key, text in subject.halves()]
    for index, (key, own) in enumerate(halves):
        for other_key, other in halves[:index]:
            clash = next((scale for scale in own if scale in other and own[scale][0] != other[scale][0]), None)
            if clash:
                yield Hit((*subject.loc, key), *_explain(key, own[clash][1], other_key, other[clash][1], clash))
                break


def _explain(key: str, words: str, other_key: str, other_words: str, scale: str) -> tuple[str, str]:
    if scale == FOLLOWING and other_key == "statement":
        if key == "critique":
            return (
                f"{words!r}: asks for what is good; the reviser needs what is wrong",
                "ask how the answer falls short",
            )
        return (
            f"{words!r}: asks for the answer that fails, not the one that upholds",
            "ask which answer upholds it",
        )
    about = "" if scale.startswith(AMOUNT) else f"{scale}: "
    message = f"pulls the other way than `{other_key}` ({about}{words!r} here, {other_words!r} there)"
    return message, "let both ask for the same thing: revisions and verdicts otherwise work against each other"


def near_duplicate(draft: Draft) -> Iterator[Hit]:
    own = {subject.item.id: (*subject.loc, "statement") for subject in draft.subjects}
    here: list[tuple[str, Loc | None, str]] = [(p.id, own.get(p.id), p.statement) for _, p in draft.whole]
    here.sort(key=lambda item: (item[1] is not None, draft.source.place(item[1] or ())))
    for (first, _, text), (_, loc, other) in combinations(here, 2):
        if loc is None or not _alike(text, other):
            continue
        if bool(NEGATOR.search(text)) != bool(NEGATOR.search(other)):
            yield Hit(
                loc, f"says nearly the words of {first!r}, once with and once without a denial", "keep one of the two"
            )
        else:
            suggestion = "keep one of the two, or say in each what the other does not cover"
            yield Hit(loc, f"says nearly the same as {first!r}, which then counts twice", suggestion)


def _alike(text: str, other: str) -> bool:
    words, others = content_words(text), content_words(other)
    if min(len(words), len(others)) < FEWEST_WORDS:
        return words == others
    return len(words & others) >= ALIKE * len(words | others)


@cache
def content_words(text: str) -> frozenset[str]:
    """Stemmed words without the empty ones; pairs of neighbouring characters for Chinese."""
    if is_chinese(text):
        signs = "".join(CHARACTER.findall(CHINESE_SUBJECT.sub("", text)))
        return frozenset(signs[at : at + 2] for at in range(len(signs) - 1))
    words = re.findall(r"[a-z0-9]+(?:['’-][a-z0-9]+)*", text.lower())
    return frozenset(stem(word) for word in words if word not in EMPTY)


RULES = (
    Rule(
        "halves-disagree",
        "warning",
        "Where one half asks for less and another for more, revisions and verdicts work against each other.",
        "statement: The answer stays under fifty words.\nprefer: Which answer is worse?",
        "statement: The answer stays under fifty words.\nprefer: Which answer is shorter?",
        each(halves_disagree),
    ),
    Rule(
        "near-duplicate",
        "warning",
        "Two principles that say the same count the same thing twice, and the report splits their effect.",
        "- The answer names the source of every number.\n- The answer names a source for each number.",
        "- The answer names the source of every number.\n- The answer gives every number with its unit.",
        near_duplicate,
    ),
)
