"""Labelled pairs and verdicts on them, made by hand."""

from __future__ import annotations

from collections.abc import Mapping

from constitutional.audit.pairs import Labelled, answer
from constitutional.audit.verdict import Verdict
from constitutional.core.digest import pair_id
from constitutional.core.records import Judgement, Member, Message, Prompt


def pair(
    name: str,
    label: float | Mapping[str, float] = 1.0,
    a: str = "one answer",
    b: str = "other answer",
    *,
    authors: tuple[str, str] = ("", ""),
    tags: tuple[str, ...] = (),
    principle: str | None = None,
) -> Labelled:
    messages = (Message("user", f"Question {name}?"),)
    prompt = Prompt(Prompt.id_of(messages), messages, tags)
    votes = dict(label) if isinstance(label, Mapping) else {"human": label}
    first, second = answer(prompt, a, authors[0]), answer(prompt, b, authors[1])
    return Labelled(pair_id(messages, a, b), prompt, first, second, votes, principle)


def verdict(
    of: Labelled,
    p_ab: float | None,
    p_ba: float | None = None,
    *,
    members: tuple[Member, ...] = (),
    principle: str = "good",
) -> Verdict:
    """By one principle; ``p_ba`` is the same as ``p_ab`` unless it is given."""
    return read(of, p_ab, p_ab if p_ba is None else p_ba, members=members, principle=principle)


def read(
    of: Labelled,
    p_ab: float | None,
    p_ba: float | None,
    *,
    members: tuple[Member, ...] = (),
    principle: str = "good",
) -> Verdict:
    judgement = Judgement.of(of.a, of.b, principle, p_ab, p_ba, "logprobs", members=members)
    return Verdict(of, judgement.p, p_ab, p_ba, (judgement,))
