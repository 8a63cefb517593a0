"""Rows that can be trained on: parsed, cleaned with every drop counted by reason, and split by prompt."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from constitutional.core.digest import digest, random_for
from constitutional.core.records import Messages
from constitutional.errors import ConfigError, RunStoppedError
from constitutional.training.advice import Figures, Label
from constitutional.training.rows import (
    Answer,
    Drop,
    Labelled,
    Preference,
    Question,
    answer_of,
    labelled_of,
    preference_of,
    question_of,
    turned,
)
from constitutional.training.settings import TrainSettings
from constitutional.training.sources import About, Placed, Source, read_file

HELD_OUT_SPLITS = {"test", "validation", "valid", "eval", "dev"}


class NothingToTrainOnError(RunStoppedError):
    """No row, or too few, of what a stage learns from."""


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


@dataclass(slots=True)
class TrainingData:
    about: About
    beside: Path | None
    preferences: Part[Preference] = field(default_factory=Part[Preference])
    answers: Part[Answer] = field(default_factory=Part[Answer])
    labelled: Part[Labelled] = field(default_factory=Part[Labelled])
    questions: Part[Question] = field(default_factory=Part[Question])
    soft: bool = False
    """The data says how probable its labels are."""
    margins: bool = False
    """The data says how far apart the answers of a pair are."""

    @property
    def facts(self) -> Figures:
        """What the choice of loss and labels goes by."""
        rows = [*self.preferences.train, *self.preferences.held_out]
        labels = [Label(row.p, row.margin, row.consistency) for row in rows]
        return Figures.of(labels, soft=self.soft, margins=self.margins)

    @property
    def parts(self) -> dict[str, Part[Any]]:
        """Those that were read, by what their rows are."""
        every: dict[str, Part[Any]] = {
            "preference": self.preferences, "sft": self.answers, "unpaired": self.labelled, "prompts": self.questions,
        }  # fmt: skip
        return {name: part for name, part in every.items() if part.read}

    def counts(self) -> dict[str, dict[str, Any]]:
        """What was read, what is used and what was dropped for which reason, as JSON."""
        return {
            name: {
                "read": part.read,
                "train": len(part.train),
                "held_out": len(part.held_out),
                "dropped": dict(part.dropped.most_common()),
                "notes": part.notes,
            }
            for name, part in self.parts.items()
        }

    def digest(self) -> str:
        """Names the very rows, so that a resume with other data is seen."""
        preferences, answers = self.preferences, self.answers
        content: list[Any] = [
            [[row.prompt, row.chosen, row.rejected, row.p, row.margin] for row in preferences.train],
            [[row.prompt, row.chosen, row.rejected, row.p, row.margin] for row in preferences.held_out],
            [[row.prompt, row.completion] for row in answers.train],
            [[row.prompt, row.completion] for row in answers.held_out],
        ]
        if self.labelled.read:
            both = (self.labelled.train, self.labelled.held_out)
            content += [[[row.prompt, row.completion, row.good] for row in rows] for rows in both]
        if self.questions.read:
            pair = (self.questions.train, self.questions.held_out)
            content += [[[row.prompt, row.tags] for row in rows] for rows in pair]
        return digest(content)


def read_data(settings: TrainSettings) -> TrainingData:
    """Reads what the stages need and no more, and raises where there is nothing to train on. No model is loaded."""
    source = Source(settings.source)
    data = TrainingData(source.about(), source.beside)
    wanted = set(settings.stages)
    if "sft" in wanted:
        rows = itertools.islice(source.rows("sft"), settings.limit)
        data.answers = _answers(rows, settings)
    if "reward" in wanted or ("dpo" in wanted and settings.loss != "kto"):
        rows = itertools.islice(source.rows("preference"), settings.limit)
        data.preferences, data.soft, data.margins = _preferences(rows, settings)
    if "dpo" in wanted and settings.loss == "kto":
        data.labelled = _labelled(source, settings)
    if wanted & {"grpo", "rloo"}:
        data.questions = _questions(source, settings)
    return data


def _preferences(rows: Iterable[Placed], settings: TrainSettings) -> tuple[Part[Preference], bool, bool]:
    """The pairs, whether they say how probable their labels are, and whether they say their margins."""
    part = Part[Preference]()
    fixed: list[tuple[str, Preference]] = []
    soft, margins, turned_round = False, False, 0
    for split, row in rows:
        part.read += 1
        soft = soft or row.get("p_chosen") is not None
        margins = margins or row.get("margin") is not None
        made = preference_of(row, settings.system)
        if isinstance(made, str):
            part.dropped[made] += 1
            continue
        if made.p < 0.5:
            turned_round += 1
            made = turned(made)
        if made.p == 0.5 and settings.certain:
            part.dropped[Drop.TIE] += 1
            continue
        fixed.append((split, made))
    if turned_round:
        part.notes.append(
            f"{turned_round:,} rows with p_chosen under 0.5 were turned round: their `rejected` is the better"
        )
    if settings.labels in ("soft", "margin-weighted") and part.read and not soft:
        raise ConfigError(f"--labels {settings.labels}: {settings.source} has no column `p_chosen`; use --labels hard")
    _place(part, fixed, settings)
    _demand(part, "preference", settings)
    if all(row.p == 0.5 for row in part.train):
        raise RunStoppedError(
            f"{settings.source}: every p_chosen is 0.5: the labels say nothing, there is no preference"
        )
    return part, soft, margins


def _labelled(source: Source, settings: TrainSettings) -> Part[Labelled]:
    """The subset `unpaired` where the data has one, else both answers of every pair."""
    part = Part[Labelled]()
    fixed: list[tuple[str, Labelled]] = []
    for split, row in itertools.islice(source.rows("unpaired"), settings.limit):
        part.read += 1
        _keep(part, fixed, split, labelled_of(row, settings.system))
    if not part.read:
        for split, row in itertools.islice(source.rows("preference"), settings.limit):
            part.read += 1
            made = preference_of(row, settings.system)
            if isinstance(made, str):
                part.dropped[made] += 1
                continue
            better = made if made.p >= 0.5 else turned(made)
            if better.p == 0.5:
                part.dropped[Drop.TIE] += 1
                continue
            for answer, good in ((better.chosen, True), (better.rejected, False)):
                fixed.append((split, Labelled(made.prompt_id, made.prompt, answer, good)))
        part.notes.append("both answers of every pair, as one to give and one not to give")
    said = {(digest(row.texts), row.good) for _, row in fixed}
    clear = [(split, row) for split, row in fixed if (digest(row.texts), not row.good) not in said]
    part.dropped[Drop.CONTRADICTORY] += len(fixed) - len(clear)
    part.dropped += Counter()
    _place(part, clear, settings)
    _demand(part, "unpaired or preference", settings)
    if len({row.good for row in part.train}) < 2:
        only = "to give" if part.train[0].good else "not to give"
        raise RunStoppedError(f"{settings.source}: every answer is one {only}: --loss kto learns from both kinds")
    return part


def _questions(source: Source, settings: TrainSettings) -> Part[Question]:
    """Each prompt once, from whichever subset the data has; its answers play no part."""
    part = Part[Question]()
    fixed: dict[str, tuple[str, Question]] = {}
    for subset in ("preference", "unpaired", "sft", "prompts"):
        for split, row in source.rows(subset):
            made = question_of(row, settings.system)
            if isinstance(made, str):
                part.dropped[made] += 1
            elif made.prompt_id in fixed:
                continue  # another row of the same prompt is no loss
            elif settings.limit is not None and len(fixed) >= settings.limit:
                break
            else:
                fixed[made.prompt_id] = (split, made)
            part.read += 1
        if fixed:
            break
    _place(part, list(fixed.values()), settings)
    _demand(part, "prompt", settings)
    return part


def _keep(part: Part[R], fixed: list[tuple[str, R]], split: str, made: R | str) -> None:
    if isinstance(made, str):
        part.dropped[made] += 1
    else:
        fixed.append((split, made))


def _answers(rows: Iterable[Placed], settings: TrainSettings) -> Part[Answer]:
    part = Part[Answer]()
    fixed: list[tuple[str, Answer]] = []
    helpful = (("train", row) for row in read_file(Path(settings.helpful))) if settings.helpful else iter(())
    kinds = {"revisions": rows, "helpful answers": helpful}
    for kind, some in kinds.items():
        before = len(fixed)
        for split, row in some:
            part.read += 1
            _keep(part, fixed, split, answer_of(row, settings.system))
        if len(fixed) > before:
            part.notes.append(f"{len(fixed) - before:,} {kind}")
    _place(part, fixed, settings)
    _demand(part, "sft", settings)
    return part


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
        what = f"it has no {subset} rows{Source(settings.source).holds()}"
    elif part.usable == 0:
        what = f"none of its {part.read:,} {subset} rows can be used{dropped}"
    else:
        rows = "1 row" if part.usable == 1 else f"{part.usable:,} rows of one prompt"
        what = f"only {rows} of {part.read:,} can be used{dropped}; it takes two prompts, one of them held out"
    raise NothingToTrainOnError(f"{settings.source}: nothing to train on: {what}")


def limited_held_out(part: Part[R], most: int, seed: int) -> Part[R]:
    """The part with so many held-out rows at most: always the same ones."""
    if len(part.held_out) <= most:
        return part
    drawn = random_for(seed, "", "evaluated").sample(range(len(part.held_out)), most)
    return replace(part, held_out=[part.held_out[number] for number in sorted(drawn)])
