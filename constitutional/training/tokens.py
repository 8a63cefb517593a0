"""Dialogues to tokens: through the chat template, with a mask over what the assistant said, cut with a count and never
to nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jinja2 import TemplateError as JinjaError

from constitutional.core.records import Messages
from constitutional.errors import RunStoppedError
from constitutional.training.data import Part, R
from constitutional.training.rows import Answer, Drop, Labelled, Preference, Question

Made = dict[str, Any] | str
"""A row for a trainer, or why there is none."""
LEAST_ANSWER = 16
"""An answer that must be cut to fewer tokens than this is no longer one."""


class Spoken(NamedTuple):
    """A whole dialogue: how many tokens are prompt, and which of the others the assistant said."""

    ids: list[int]
    prompt: int
    mask: list[int]
    """Of the tokens after the prompt."""


@dataclass(slots=True)
class TokenRows:
    """Columns ready for a trainer."""

    train: list[dict[str, Any]] = field(default_factory=list)
    held_out: list[dict[str, Any]] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    cut: int = 0

    @property
    def tokens(self) -> int:
        """Of the training rows, prompts of pairs counted twice as they are computed twice."""
        return sum(_length(row) for row in self.train)

    @property
    def answer(self) -> float:
        """Tokens of an answer, on average; of a whole row where answers do not stand apart."""
        sizes = [size for row in self.train for size in _answers(row)]
        return sum(sizes) / max(1, len(sizes))

    @property
    def longest(self) -> int:
        return max((_longest(row) for row in (*self.train, *self.held_out)), default=0)


@dataclass(frozen=True, slots=True)
class Speech:
    """A tokenizer's chat template."""

    tokenizer: Any

    def render(self, messages: Messages, *, generation: bool = False) -> list[int]:
        ids: list[int] = self.tokenizer.apply_chat_template(
            [message._asdict() for message in messages],
            add_generation_prompt=generation,
            tokenize=True,
            return_dict=False,
        )
        return ids

    def speak(self, prompt: Messages, answer: Messages) -> Spoken | None:
        """None where the template does not show which tokens are the answer's."""
        try:
            whole = self.render(prompt + answer)
            start = shared_prefix(self.render(prompt, generation=True), whole)
            one = len(answer) == 1
            mask = [1] * (len(whole) - start) if one else self._turns(prompt, answer, whole, start)
        except (JinjaError, ValueError):
            return None
        return Spoken(whole, start, mask) if start > 0 and any(mask) else None

    def _turns(self, prompt: Messages, answer: Messages, whole: list[int], start: int) -> list[int]:
        """What users say inside an answer is context and never a target. Checked against the words themselves, since
        some templates render a turn otherwise when another follows."""
        mask = [0] * len(whole)
        for number, turn in enumerate(answer):
            if turn.role != "assistant":
                continue
            before = prompt + answer[:number]
            first = shared_prefix(self.render(before, generation=True), whole)
            last = len(whole)
            if number + 1 < len(answer):
                last = shared_prefix(self.render((*before, turn)), whole)
            said = self.tokenizer.decode(whole[first:last], skip_special_tokens=True)
            if turn.content.strip() not in said:
                return []
            mask[first:last] = [1] * (last - first)
        return mask[start:]


def pair_tokens(part: Part[Preference], speech: Speech, max_length: int, labels: str) -> TokenRows:
    def make(row: Preference, rows: TokenRows) -> Made:
        chosen, rejected = (speech.speak(row.prompt, answer) for answer in (row.chosen, row.rejected))
        if chosen is None or rejected is None:
            return Drop.CHAT_TEMPLATE
        made = _pair(chosen, rejected, max_length, rows)
        if isinstance(made, str):
            return made
        p = row.p if labels == "soft" else 1.0
        return made | {"p": p, "weight": row.margin if labels == "margin-weighted" else 1.0}

    rows = _rows(part, max_length, make)
    if labels == "margin-weighted":
        _normalise(rows.train)
        _normalise(rows.held_out)
    return rows


def _pair(chosen: Spoken, rejected: Spoken, max_length: int, rows: TokenRows) -> Made:
    prompt = min(chosen.prompt, rejected.prompt)
    made: dict[str, Any] = {"prompt_ids": chosen.ids[:prompt]}
    was_cut = False
    for name, side in (("chosen", chosen), ("rejected", rejected)):
        ids, mask = side.ids[prompt:max_length], [0] * (side.prompt - prompt) + side.mask
        if not _enough(ids, mask, len(side.ids) - prompt):
            return Drop.PROMPT_TOO_LONG
        was_cut = was_cut or len(ids) < len(mask)
        made |= {f"{name}_ids": ids, f"{name}_mask": mask[: len(ids)]}
    if made["chosen_ids"] == made["rejected_ids"]:
        return Drop.CUT_ALIKE if was_cut else Drop.IDENTICAL
    rows.cut += was_cut
    return made


def answer_rows(part: Part[Answer], speech: Speech, max_length: int) -> TokenRows:
    """For imitation: `labels` are -100 but where the assistant speaks."""

    def make(row: Answer, rows: TokenRows) -> Made:
        side = speech.speak(row.prompt, row.completion)
        if side is None:
            return Drop.CHAT_TEMPLATE
        ids, mask = side.ids[:max_length], [0] * side.prompt + side.mask
        if not _enough(ids[side.prompt :], side.mask, len(side.mask)):
            return Drop.PROMPT_TOO_LONG
        rows.cut += len(ids) < len(mask)
        return {"input_ids": ids, "labels": [token if said else -100 for token, said in zip(ids, mask, strict=False)]}

    return _rows(part, max_length, make)


def labelled_rows(part: Part[Labelled], speech: Speech, max_length: int) -> TokenRows:
    """Of single answers: prompt, answer with its mask, and whether it is one to give."""

    def make(row: Labelled, rows: TokenRows) -> Made:
        side = speech.speak(row.prompt, row.completion)
        if side is None:
            return Drop.CHAT_TEMPLATE
        ids, mask = side.ids[side.prompt : max_length], side.mask
        if not _enough(ids, mask, len(mask)):
            return Drop.PROMPT_TOO_LONG
        rows.cut += len(ids) < len(mask)
        made = {"prompt_ids": side.ids[: side.prompt], "completion_ids": ids, "completion_mask": mask[: len(ids)]}
        return made | {"label": row.good}

    return _rows(part, max_length, make)


def question_rows(part: Part[Question], speech: Speech, max_length: int, answer: int) -> TokenRows:
    """Dialogues as they are, since TRL renders them itself, where so many tokens of an answer fit beside them."""

    def make(row: Question, rows: TokenRows) -> Made:
        try:
            length = len(speech.render(row.prompt, generation=True)) + answer
        except (JinjaError, ValueError):
            return Drop.CHAT_TEMPLATE
        if length > max_length:
            return Drop.PROMPT_TOO_LONG
        prompt = [message._asdict() for message in row.prompt]
        return {"prompt": prompt, "prompt_id": row.prompt_id, "tags": list(row.tags), "length": length}

    return _rows(part, max_length, make)


def _rows(part: Part[R], max_length: int, make: Callable[[R, TokenRows], Made]) -> TokenRows:
    """``make`` is also given what it counts in. Without a row to train on, or one that is held out, there is no training."""
    rows = TokenRows()
    for given, kept in ((part.train, rows.train), (part.held_out, rows.held_out)):
        for row in given:
            made = make(row, rows)
            if isinstance(made, str):
                rows.dropped[made] += 1
            else:
                kept.append(made)
    if not rows.train or not rows.held_out:
        side = "training" if not rows.train else "held-out"
        why = ", ".join(f"{reason} {count:,}" for reason, count in rows.dropped.most_common())
        raise RunStoppedError(
            f"no {side} row of {part.usable:,} can be used with {max_length:,} tokens (dropped: {why}): raise "
            "--max-length, or use a model with a longer context"
        )
    return rows


def shared_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    for at, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return at
    return min(len(a), len(b))


def _enough(ids: list[int], mask: list[int], whole: int) -> bool:
    return len(ids) >= min(whole, LEAST_ANSWER) and any(mask[: len(ids)])


def _normalise(rows: list[dict[str, Any]]) -> None:
    """Weights of mean 1, so that a learning rate means the same with weights and without."""
    mean = sum(row["weight"] for row in rows) / len(rows)
    for row in rows:
        row["weight"] = row["weight"] / mean if mean > 0 else 1.0


def _length(row: dict[str, Any]) -> int:
    if "chosen_ids" not in row:
        return _longest(row)
    return 2 * len(row["prompt_ids"]) + len(row["chosen_ids"]) + len(row["rejected_ids"])


def _answers(row: dict[str, Any]) -> list[int]:
    return [len(row[name]) for name in ("chosen_ids", "rejected_ids", "completion_ids", "input_ids") if name in row]


def _longest(row: dict[str, Any]) -> int:
    if "length" in row:
        return int(row["length"])
    if "input_ids" in row:
        return len(row["input_ids"])
    if "completion_ids" in row:
        return len(row["prompt_ids"]) + len(row["completion_ids"])
    return len(row["prompt_ids"]) + max(len(row["chosen_ids"]), len(row["rejected_ids"]))
