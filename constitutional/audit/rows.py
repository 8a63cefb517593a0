"""One row of a file to a labelled pair, or what is wrong with it and what to do."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from constitutional.audit.pairs import TIE, Labelled, answer
from constitutional.core.digest import PAIR, pair_id, random_for
from constitutional.core.records import Message, Messages, Prompt
from constitutional.errors import near_matches
from constitutional.pipeline.prompts import prompt_of
from constitutional.pipeline.rows import RowFault

WORDS = {
    "a": 1.0, "first": 1.0, "left": 1.0, "answer a": 1.0, "response a": 1.0, "model_a": 1.0, "1": 1.0,
    "b": 0.0, "second": 0.0, "right": 0.0, "answer b": 0.0, "response b": 0.0, "model_b": 0.0, "0": 0.0, "2": 0.0,
    "tie": TIE, "tied": TIE, "equal": TIE, "same": TIE, "both": TIE, "neither": TIE, "draw": TIE, "½": TIE,
    "tie (bothbad)": TIE,
}  # fmt: skip
EXPECTED = "write a, b or tie (or 1, 0 and 0.5; or 1 and 2)"
TEXTS = (("a", "b"), ("chosen", "rejected"), ("response_a", "response_b"), ("answer_a", "answer_b"))
AUTHORS = {"a": ("author_a", "model_a"), "b": ("author_b", "model_b"),
           "chosen": ("author_chosen", "chosen_model"), "rejected": ("author_rejected", "rejected_model")}  # fmt: skip
OWN = (
    "label",
    "labels",
    "winner",
    "preference",
    "annotator",
    "principle",
    "id",
    "tags",
    "prompt",
    "messages",
    "comment",
)
SPOKEN, SPEAKERS = "\n\nHuman:", {"Human": "user", "Assistant": "assistant"}
_TURN = re.compile(r"\n\n(Human|Assistant):[ ]?")
_ESCAPED = re.compile(r"'+[=+\-@\t\r]")


@dataclass(slots=True)
class Readings:
    """How labels were read: the text as it stood → its meaning and how often. Shown, since a 0 may mean either."""

    counts: dict[str, tuple[str, int]] = field(default_factory=dict)

    def add(self, text: str, vote: float) -> None:
        meaning = {1.0: "a", 0.0: "b", TIE: "tie"}.get(vote, "a share")
        self.counts[text] = (meaning, self.counts.get(text, ("", 0))[1] + 1)


def labelled_of(
    row: Any, source: str, annotator: str, readings: Readings, *, cells: bool = False
) -> Labelled | RowFault | None:
    """None where nobody has labelled it yet. ``annotator`` is who labelled where the row does not say; ``cells``: the row
    is one of a spreadsheet."""
    try:
        if not isinstance(row, Mapping):
            raise ValueError(f"expected an object with `prompt`, `a`, `b` and `label`, this is {_shown(row)}")
        row = _unescaped(row) if cells else row
        first, second = _columns(row)
        votes = {"": 1.0} if first == "chosen" else _votes(row, annotator, readings)
        prompt, one, other = _texts(row, first, second, source)
        names = [_author(row, name) for name in (first, second)]
        pair = Labelled(
            _own_id(row) or pair_id(prompt.messages, one, other),
            prompt,
            answer(prompt, one, names[0]),
            answer(prompt, other, names[1]),
            {annotator: 1.0} if first == "chosen" else votes,
            _word(row, "principle"),
            _word(row, "drawn_by") or "",
            source,
        )
    except ValueError as fault:
        return RowFault(source, str(fault))
    if not votes:
        return None
    if first == "chosen" and random_for(0, pair.id, "side").random() < 0.5:
        # A fixed order would let "always the first" look perfect.
        return pair.turned()
    return pair


def _columns(row: Mapping[str, Any]) -> tuple[str, str]:
    for first, second in TEXTS:
        if row.get(first) is not None and row.get(second) is not None:
            return first, second
    fields = ", ".join(str(name) for name in list(row)[:8]) or "none"
    known = [name for pair in TEXTS for name in pair]
    odd = [name for name in row if name not in known]
    close = next((hint for name in odd if "did you mean" in (hint := near_matches(str(name), known))), "")
    half = next((name for pair in TEXTS for name in pair if row.get(name) is not None), None)
    missing = (
        f"only `{half}` of the two answers" if half else "no answers: expected `a` and `b`, or `chosen` and `rejected`"
    )
    raise ValueError(f"{missing}; its fields are: {fields}{close}")


def _texts(row: Mapping[str, Any], first: str, second: str, source: str) -> tuple[Prompt, str, str]:
    before, one, other = _answers(row[first], row[second], first, second)
    given = {name: row[name] for name in ("messages", "prompt", "system", "tags") if row.get(name) is not None}
    if isinstance(given.get("messages"), str):
        given["messages"] = _json(given["messages"], "messages")
    if "messages" not in given and "prompt" not in given:
        if not before:
            raise ValueError("no `prompt` and no `messages`: the judge must see what the answers answer")
        given["messages"] = [message._asdict() for message in before]
    prompt = prompt_of(given, source)
    if isinstance(prompt, RowFault):
        raise ValueError(prompt.detail)
    return prompt, one, other


def _answers(one: Any, other: Any, first: str, second: str) -> tuple[Messages, str, str]:
    """What stands before both answers, and the answers: texts, messages, whole dialogues, or dialogues written as
    "\\n\\nHuman: … \\n\\nAssistant: …"."""
    if isinstance(one, str) and isinstance(other, str):
        return _spoken(one, other) if one.startswith(SPOKEN) and other.startswith(SPOKEN) else ((), one, other)
    before, text = _dialogue(one, first)
    others, other_text = _dialogue(other, second)
    if before != others:
        raise ValueError(f"the dialogues of `{first}` and `{second}` differ before their last answers")
    return before, text, other_text


def _dialogue(given: Any, name: str) -> tuple[Messages, str]:
    if isinstance(given, str):
        return (), given
    if isinstance(given, Mapping):
        given = [given]
    if not isinstance(given, list) or not given:
        raise ValueError(f"`{name}` must be a text or a list of turns, this is {_shown(given)}")
    turns = []
    for number, turn in enumerate(given, 1):
        role, content = (turn.get("role"), turn.get("content")) if isinstance(turn, Mapping) else (None, None)
        if role not in ("system", "user", "assistant") or not isinstance(content, str):
            raise ValueError(f"`{name}`, turn {number}: expected a `role` and a text `content`, this is {_shown(turn)}")
        turns.append(Message(role, content))
    if turns[-1].role != "assistant":
        raise ValueError(f"`{name}` must end with the assistant's answer, it ends with a turn of the {turns[-1].role}")
    return tuple(turns[:-1]), turns[-1].content


def _spoken(one: str, other: str) -> tuple[Messages, str, str]:
    """Two dialogues, each in one text: what they have in common, and the rest of either. A few of the rests hold further
    turns, which the annotators saw as part of the answer."""
    turns, others = _turns(one), _turns(other)
    most = min(len(turns), len(others)) - 1
    common = next((place for place in range(most) if turns[place][:2] != others[place][:2]), most)
    while common and turns[common - 1][0] != "user":
        common -= 1
    if not common or (turns[common][0], others[common][0]) != ("assistant", "assistant"):
        raise ValueError("the two dialogues have no question in common that the assistant answers")
    before = tuple(Message(role, said) for role, said, _ in turns[:common])
    return before, one[turns[common][2] :], other[others[common][2] :]


def _turns(text: str) -> list[tuple[str, str, int]]:
    """Role, words, and where the words begin."""
    marks = list(_TURN.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return [(SPEAKERS[mark[1]], text[mark.end() : end], mark.end()) for mark, end in zip(marks, ends, strict=True)]


def _votes(row: Mapping[str, Any], annotator: str, readings: Readings) -> dict[str, float]:
    """Empty where the row is there to be labelled and is not yet."""
    given: dict[str, Any] = {}
    several = row.get("labels")
    if isinstance(several, str):
        several = _json(several, "labels")
    if isinstance(several, Mapping):
        given |= several
    elif isinstance(several, Sequence):
        given |= {str(number): value for number, value in enumerate(several, 1)}
    elif several is not None:
        raise ValueError(f"`labels` must map annotators to labels or list labels, this is {_shown(several)}")
    given |= {name.removeprefix("label_"): row[name] for name in row if str(name).startswith("label_")}
    for name in ("label", "winner", "preference"):
        if row.get(name) is not None:
            given[_word(row, "annotator") or annotator] = row[name]
            break
    votes = {}
    for who, value in given.items():
        if value is not None and not (isinstance(value, str) and not value.strip()):
            votes[str(who)] = vote_of(value)
            readings.add(str(value).strip(), votes[str(who)])
    return votes


def vote_of(value: Any) -> float:
    """P(a is better) as a label says it."""
    if isinstance(value, bool):
        raise ValueError(f"the label {value} does not say which answer is better: {EXPECTED}")
    if isinstance(value, int | float):
        value = f"{value:g}"
    if not isinstance(value, str):
        raise ValueError(f"the label {_shown(value)} cannot be read: {EXPECTED}")
    word = value.strip().casefold()
    if word in WORDS:
        return WORDS[word]
    try:
        share = float(word)
    except ValueError:
        hint = near_matches(word, WORDS) if len(word) > 2 else ""
        raise ValueError(f"the label {_shown(value)} cannot be read: {EXPECTED}{_only_close(hint)}") from None
    if math.isfinite(share) and (0 <= share <= 1 or share == 2):
        return 0.0 if share == 2 else share
    raise ValueError(
        f"the label {_shown(value)} cannot be read: {EXPECTED}; a number between 0 and 1 is a share of people"
    )


def _only_close(hint: str) -> str:
    return hint if "did you mean" in hint else ""


def _author(row: Mapping[str, Any], name: str) -> str:
    for column in AUTHORS.get(name, AUTHORS["a" if name.endswith("_a") else "b"]):
        if isinstance(row.get(column), str):
            return str(row[column]).strip()
    return ""


def _own_id(row: Mapping[str, Any]) -> str | None:
    """The id that `constitutional sample` gave."""
    given = row.get("id")
    return given.strip() if isinstance(given, str) and given.startswith(PAIR) else None


def _word(row: Mapping[str, Any], name: str) -> str | None:
    value = row.get(name)
    return value.strip() or None if isinstance(value, str) else None


def _unescaped(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A sheet of ours in CSV has an apostrophe before a text that a spreadsheet would take for a formula."""
    if _own_id(row) is None:
        return row
    return {name: unescaped(value) if isinstance(value, str) else value for name, value in row.items()}


def escaped(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: with an apostrophe before it where it needs one."""
    return f"'{text}" if re.match(r"'*[=+\-@\t\r]", text) else text


def unescaped(text: str) -> str:
    return text[1:] if _ESCAPED.match(text) else text


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"`{name}` is not JSON: {error}") from None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
