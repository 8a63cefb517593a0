"""Rows that can be trained on: parsed, cleaned with every drop counted by reason, and split by prompt."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from constitutional.core.digest import digest, random_for
from constitutional.core.records import Message, Messages, Prompt
from constitutional.errors import ConfigError, RunStoppedError
from constitutional.training.settings import TrainSettings
from constitutional.training.sources import About, Placed, Source, read_file

ROLES = ("system", "user", "assistant", "tool")
HELD_OUT_SPLITS = {"test", "validation", "valid", "eval", "dev"}


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


@dataclass(frozen=True, slots=True)
class Preference:
    """Two answers to one dialogue; ``p`` is how probable it is that ``chosen`` is the better, at least ½."""

    prompt_id: str
    prompt: Messages
    chosen: Messages
    rejected: Messages
    p: float
    margin: float

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


class _OfPrompt(Protocol):
    @property
    def prompt_id(self) -> str: ...

    @property
    def texts(self) -> tuple[Messages, ...]: ...


R = TypeVar("R", bound=_OfPrompt)


@dataclass(slots=True)
class Part(Generic[R]):
    """The rows of one kind, as they will be used, and what became of the others."""

    train: list[R] = field(default_factory=list)
    held_out: list[R] = field(default_factory=list)
    read: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    @property
    def usable(self) -> int:
        return len(self.train) + len(self.held_out)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the choice of loss and labels goes by."""

    rows: int
    soft: bool
    """The data says how probable its labels are."""
    mean_p: float
    mean_margin: float


@dataclass(slots=True)
class TrainingData:
    about: About
    beside: Path | None
    preferences: Part[Preference] = field(default_factory=Part[Preference])
    answers: Part[Answer] = field(default_factory=Part[Answer])
    soft: bool = False

    @property
    def facts(self) -> Facts:
        rows = [*self.preferences.train, *self.preferences.held_out]
        n = max(1, len(rows))
        mean_p, mean_margin = sum(row.p for row in rows) / n, sum(row.margin for row in rows) / n
        return Facts(len(rows), self.soft, mean_p, mean_margin)

    def counts(self) -> dict[str, dict[str, Any]]:
        """What was read, what is used and what was dropped for which reason, as JSON."""
        parts: dict[str, Part[Any]] = {"preference": self.preferences, "sft": self.answers}
        return {
            name: {
                "read": part.read,
                "train": len(part.train),
                "held_out": len(part.held_out),
                "dropped": dict(part.dropped.most_common()),
                "notes": part.notes,
            }
            for name, part in parts.items()
            if part.read
        }

    def digest(self) -> str:
        """Names the very rows, so that a resume with other data is seen."""
        preferences, answers = self.preferences, self.answers
        return digest(
            [
                [[row.prompt, row.chosen, row.rejected, row.p, row.margin] for row in preferences.train],
                [[row.prompt, row.chosen, row.rejected, row.p, row.margin] for row in preferences.held_out],
                [[row.prompt, row.completion] for row in answers.train],
                [[row.prompt, row.completion] for row in answers.held_out],
            ]
        )


def read_data(settings: TrainSettings) -> TrainingData:
    """Reads what the stages need and no more, and raises where there is nothing to train on. No model is loaded."""
    source = Source(settings.source)
    data = TrainingData(source.about(), source.beside)
    if "sft" in settings.stages:
        rows = _limited(source.rows("sft"), settings.limit)
        data.answers = _answers(rows, settings)
    if set(settings.stages) - {"sft"}:
        rows = _limited(source.rows("preference"), settings.limit)
        data.preferences, data.soft = _preferences(rows, settings)
    return data


def _limited(rows: Iterator[Placed], limit: int | None) -> Iterator[Placed]:
    return rows if limit is None else (row for row, _ in zip(rows, range(limit), strict=False))


def _preferences(rows: Iterable[Placed], settings: TrainSettings) -> tuple[Part[Preference], bool]:
    part = Part[Preference]()
    fixed: list[tuple[str, Preference]] = []
    soft, turned = False, 0
    for split, row in rows:
        part.read += 1
        soft = soft or row.get("p_chosen") is not None
        made = preference_of(row, settings.system)
        if isinstance(made, str):
            part.dropped[made] += 1
            continue
        if made.p < 0.5:
            turned += 1
            made = Preference(made.prompt_id, made.prompt, made.rejected, made.chosen, 1 - made.p, -made.margin)
        if made.p == 0.5 and settings.labels in ("hard", "margin-weighted"):
            part.dropped[Drop.TIE] += 1
            continue
        fixed.append((split, made))
    if turned:
        part.notes.append(f"{turned:,} rows with p_chosen under 0.5 were turned round: their `rejected` is the better")
    if settings.labels in ("soft", "margin-weighted") and part.read and not soft:
        raise ConfigError(f"--labels {settings.labels}: {settings.source} has no column `p_chosen`; use --labels hard")
    _place(part, fixed, settings)
    _demand(part, "preference", settings)
    if all(row.p == 0.5 for row in part.train):
        raise RunStoppedError(
            f"{settings.source}: every p_chosen is 0.5: the labels say nothing, there is no preference"
        )
    return part, soft


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
    return Preference(_prompt_id(row, prompt), _with_system(prompt, system), chosen, rejected, p, margin)


def _answers(rows: Iterable[Placed], settings: TrainSettings) -> Part[Answer]:
    part = Part[Answer]()
    fixed: list[tuple[str, Answer]] = []
    helpful = (("train", row) for row in read_file(Path(settings.helpful))) if settings.helpful else iter(())
    kinds = {"revisions": rows, "helpful answers": helpful}
    for kind, some in kinds.items():
        before = len(fixed)
        for split, row in some:
            part.read += 1
            made = answer_of(row, settings.system)
            if isinstance(made, str):
                part.dropped[made] += 1
            else:
                fixed.append((split, made))
        if len(fixed) > before:
            part.notes.append(f"{len(fixed) - before:,} {kind}")
    _place(part, fixed, settings)
    _demand(part, "sft", settings)
    return part


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


def _place(part: Part[R], rows: Sequence[tuple[str, R]], settings: TrainSettings) -> None:
    """Each row once, in training or held out; no prompt on both sides."""
    seen: set[str] = set()
    given = {row.prompt_id for split, row in rows if split in HELD_OUT_SPLITS}
    chosen = given or held_out_prompts({row.prompt_id for _, row in rows}, settings.held_out, settings.seed)
    for split, row in rows:
        name = digest(row.texts)
        held_out = row.prompt_id in chosen
        if given and held_out and split not in HELD_OUT_SPLITS:
            part.dropped[Drop.IN_BOTH_SPLITS] += 1
        elif name in seen:
            part.dropped[Drop.DUPLICATE] += 1
        else:
            (part.held_out if held_out else part.train).append(row)
        seen.add(name)


def held_out_prompts(prompts: set[str], share: float, seed: int) -> set[str]:
    """By a draw of each prompt's own, so that a prompt stays where it is when others come. Of two prompts or more at
    least one is held out and one is not."""
    drawn = sorted((random_for(seed, prompt, "held-out").random(), prompt) for prompt in prompts)
    most = max(0, len(drawn) - 1)
    held = [prompt for draw, prompt in drawn[:most] if draw < share]
    return set(held or [prompt for _, prompt in drawn[: min(1, most)]])


def _demand(part: Part[R], subset: str, settings: TrainSettings) -> None:
    """Something to train on and something to hold out, before any model is loaded."""
    if part.train and part.held_out:
        return
    why = ", ".join(f"{reason} {count:,}" for reason, count in part.dropped.most_common())
    dropped = f" (dropped: {why})" if why else ""
    if not part.read:
        what = f"it has no {subset} rows"
    elif part.usable == 0:
        what = f"none of its {part.read:,} {subset} rows can be used{dropped}"
    else:
        rows = "1 row" if part.usable == 1 else f"{part.usable:,} rows of one prompt"
        what = f"only {rows} of {part.read:,} can be used{dropped}; it takes two prompts, one of them held out"
    raise RunStoppedError(f"{settings.source}: nothing to train on: {what}")


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


def limited_held_out(part: Part[R], most: int, seed: int) -> Part[R]:
    """The part with so many held-out rows at most: always the same ones."""
    if len(part.held_out) <= most:
        return part
    drawn = random_for(seed, "", "evaluated").sample(range(len(part.held_out)), most)
    return replace(part, held_out=[part.held_out[number] for number in sorted(drawn)])
