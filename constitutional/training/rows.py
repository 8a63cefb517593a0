"""One row of a dataset as something to train on, or the word for why it is none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from constitutional.core.records import Message, Messages, Prompt

ROLES = ("system", "user", "assistant", "tool")


class Drop:
    """Why a row is not trained on. ``docs/training.md`` explains each."""

    BAD_ROW = "bad_row"
    EMPTY_ANSWER = "empty_answer"
    IDENTICAL = "identical_answers"
    BAD_LABEL = "bad_label"
    TIE = "tie"
    DUPLICATE = "duplicate"
    IN_BOTH_SPLITS = "in_both_splits"
    UNRESOLVED = "unresolved_violation"
    PROMPT_TOO_LONG = "prompt_too_long"
    CUT_ALIKE = "cut_alike"
    CHAT_TEMPLATE = "chat_template"
    CONTRADICTORY = "contradictory_label"


@dataclass(frozen=True, slots=True)
class Preference:
    """Two answers to one dialogue; ``p`` is how probable it is that ``chosen`` is the better, at least ½."""

    prompt_id: str
    prompt: Messages
    chosen: Messages
    rejected: Messages
    p: float
    margin: float
    consistency: float | None = None
    """The share of the judge's verdicts on it that stayed when the answers were swapped, where the row says."""

    @property
    def texts(self) -> tuple[Messages, ...]:
        return self.prompt, self.chosen, self.rejected


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to learn by imitation."""

    prompt_id: str
    prompt: Messages
    completion: Messages

    @property
    def texts(self) -> tuple[Messages, ...]:
        return self.prompt, self.completion


@dataclass(frozen=True, slots=True)
class Labelled:
    """One answer, and whether it is one to give."""

    prompt_id: str
    prompt: Messages
    completion: Messages
    good: bool

    @property
    def texts(self) -> tuple[Messages, ...]:
        return self.prompt, self.completion


@dataclass(frozen=True, slots=True)
class Question:
    """A dialogue that waits for an answer. ``tags`` say which principles apply."""

    prompt_id: str
    prompt: Messages
    tags: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[Messages, ...]:
        return (self.prompt,)


def preference_of(row: Mapping[str, Any], system: str | None = None) -> Preference | str:
    """The row, or the reason why it is none. A row without ``p_chosen`` is a certain label."""
    chosen, rejected = _turns(row.get("chosen"), "assistant"), _turns(row.get("rejected"), "assistant")
    if chosen is None or rejected is None:
        return Drop.BAD_ROW if _has_text(row, "chosen", "rejected") else Drop.EMPTY_ANSWER
    prompt = _turns(row.get("prompt"), "user")
    if row.get("prompt") is None:
        prompt = _shared_beginning(chosen, rejected)
    if not prompt:
        return Drop.BAD_ROW
    chosen, rejected = (_after(answer, prompt) for answer in (chosen, rejected))
    if not (_is_answer(chosen) and _is_answer(rejected)):
        return Drop.EMPTY_ANSWER
    if chosen == rejected:
        return Drop.IDENTICAL
    p, margin = _label(row)
    if p is None or margin is None:
        return Drop.BAD_LABEL
    consistency = _number(row.get("order_consistency"), 0.0)
    return Preference(_prompt_id(row, prompt), _with_system(prompt, system), chosen, rejected, p, margin, consistency)


def turned(row: Preference) -> Preference:
    """The same label said of the other answer."""
    return replace(row, chosen=row.rejected, rejected=row.chosen, p=1 - row.p, margin=-row.margin)


def answer_of(row: Mapping[str, Any], system: str | None = None) -> Answer | str:
    """From ``prompt`` and ``completion`` (or ``response``), or from whole ``messages`` that end with an answer."""
    if row.get("resolved") is False:
        return Drop.UNRESOLVED
    if row.get("messages") is not None:
        whole = _turns(row["messages"], "user")
        if whole is None or len(whole) < 2:
            return Drop.BAD_ROW
        prompt, completion = whole[:-1], whole[-1:]
    else:
        given = row.get("completion") if row.get("completion") is not None else row.get("response")
        found, answered = _turns(row.get("prompt"), "user"), _turns(given, "assistant")
        if not found:
            return Drop.BAD_ROW
        if answered is None:
            return Drop.EMPTY_ANSWER
        prompt, completion = found, answered
    if not _is_answer(completion):
        return Drop.EMPTY_ANSWER
    return Answer(_prompt_id(row, prompt), _with_system(prompt, system), completion)


def labelled_of(row: Mapping[str, Any], system: str | None = None) -> Labelled | str:
    answer = answer_of(row, system)
    if isinstance(answer, str):
        return answer
    if not isinstance(row.get("label"), bool):
        return Drop.BAD_LABEL
    return Labelled(answer.prompt_id, answer.prompt, answer.completion, row["label"])


def question_of(row: Mapping[str, Any], system: str | None = None) -> Question | str:
    """From ``prompt``, or ``messages`` that end with the user's turn."""
    prompt = _turns(row.get("prompt") if row.get("prompt") is not None else row.get("messages"), "user")
    if not prompt or prompt[-1].role != "user" or not prompt[-1].content.strip():
        return Drop.BAD_ROW
    tags = row.get("tags")
    named = tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()
    return Question(_prompt_id(row, prompt), _with_system(prompt, system), named)


def _label(row: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """(p_chosen, margin): certain where the row does not say; None for what is no probability."""
    p = 1.0 if "p_chosen" not in row else _number(row["p_chosen"], 0.0)
    if p is None:
        return None, None
    return p, 2 * p - 1 if "margin" not in row else _number(row["margin"], -1.0)


def _number(value: Any, least: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value) if least <= value <= 1 else None


def _turns(given: Any, role: str) -> Messages | None:
    """A text is one turn of this role. None for what is neither a text nor a dialogue."""
    if isinstance(given, str):
        return (Message(role, given),) if given.strip() else None
    if not isinstance(given, list) or not given:
        return None
    turns = []
    for turn in given:
        if not isinstance(turn, Mapping) or not isinstance(turn.get("content"), str) or turn.get("role") not in ROLES:
            return None
        turns.append(Message(turn["role"], turn["content"]))
    return tuple(turns)


def _has_text(row: Mapping[str, Any], *names: str) -> bool:
    """Whether a row that could not be read holds something else than emptiness."""
    return all(row.get(name) and not (isinstance(row[name], str) and not row[name].strip()) for name in names)


def _is_answer(turns: Messages) -> bool:
    """It ends with words of the assistant, and no turn of it is empty."""
    return bool(turns) and turns[-1].role == "assistant" and all(turn.content.strip() for turn in turns)


def _shared_beginning(a: Messages, b: Messages) -> Messages:
    """The prompt of a pair of whole dialogues: what they share, up to the last user's turn."""
    shared = 0
    while shared < min(len(a), len(b)) and a[shared] == b[shared]:
        shared += 1
    while shared and a[shared - 1].role == "assistant":
        shared -= 1
    return a[:shared]


def _after(answer: Messages, prompt: Messages) -> Messages:
    """Some datasets repeat the prompt before each answer."""
    return answer[len(prompt) :] if answer[: len(prompt)] == prompt else answer


def _prompt_id(row: Mapping[str, Any], prompt: Messages) -> str:
    given = row.get("prompt_id")
    return given if isinstance(given, str) and given else Prompt.id_of(prompt)


def _with_system(prompt: Messages, system: str | None) -> Messages:
    return (Message("system", system), *prompt) if system and prompt[0].role != "system" else prompt
