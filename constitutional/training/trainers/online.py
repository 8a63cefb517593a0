"""The stages ``grpo`` and ``rloo``: the model answers, the constitution says how good each answer is, and the model moves
towards the better ones of its own. Several answers to one prompt are compared with each other, so that no value model is
needed: GRPO by their mean and spread, RLOO by leaving each one out."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from constitutional.core.records import Message
from constitutional.core.stats.text import repeated_tokens
from constitutional.errors import RunStoppedError, UsageError
from constitutional.training.data import limited_held_out
from constitutional.training.feedback import Basis, Feedback, Opinion
from constitutional.training.rows import Question
from constitutional.training.schedule import Schedule
from constitutional.training.stages import Outcome, Work
from constitutional.training.stop import Stop
from constitutional.training.tokens import Speech, TokenRows, question_rows
from constitutional.training.trainers.bench import Bench
from constitutional.training.trainers.fit import fit
from constitutional.training.trainers.policy import drop_reference
from constitutional.training.trainers.silent import Silent

MOST_HELD_OUT = 100
"""Held-out prompts in one look: each costs an answer and its reward, and not only a forward pass."""
LEAST_READ = 32
"""Answers in a row that nobody could judge, after which something is wrong."""
MOSTLY = 0.8
"""A share on the floor above which few groups have anything to compare."""
REWARD, VIOLATIONS, UNREAD = "reward", "reward/hard_violations", "reward/unread"


class ByAnswer(Silent):
    """KL is logged per answer, as everywhere else here, and not per token."""

    model: Any
    _metrics: dict[str, dict[str, list[float]]]

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        measured = self._metrics["train" if self.model.training else "eval"]
        if measured.get("kl") and measured.get("completions/mean_length"):
            length = fmean(measured["completions/mean_length"])
            measured["kl"] = [kl * length for kl in measured["kl"]]
        super().log(logs, start_time)  # type: ignore[misc]


class GroupTrainer(ByAnswer, GRPOTrainer):  # type: ignore[misc]
    """GRPO."""


class LeaveOneOutTrainer(ByAnswer, RLOOTrainer):  # type: ignore[misc]
    """RLOO."""


KINDS = {"grpo": (GroupTrainer, GRPOConfig), "rloo": (LeaveOneOutTrainer, RLOOConfig)}


def run(work: Work) -> Outcome:
    settings, bench = work.settings, Bench.of(work)
    bench.tokenizer.padding_side = "left"
    part = limited_held_out(work.data.questions, min(settings.eval_rows, MOST_HELD_OUT), settings.seed)
    rows = question_rows(part, Speech(bench.tokenizer), settings.max_length or 0, settings.answer_tokens)
    basis = Basis.of(settings.run, settings.source)
    ledger = work.folder.path / f"feedback-{os.environ.get('RANK', '0')}.db"
    with Feedback(basis, ledger, settings.seed) as feedback:
        trainer = make_trainer(bench, rows, Reward(feedback, work.stop))
        outcome = fit(trainer, work, rows, bench.checkpoint)
    notes = [f"rewarded by {basis.name}: its critic and its scorer {basis.config.scorer.plugin}"]
    floored = outcome.after.get(VIOLATIONS, 0.0)
    if floored > MOSTLY:
        notes.append(
            f"{floored:.0%} of the answers break a hard tier: where all answers to a prompt are on the floor nothing is "
            "learned; begin with --stage sft, or with another critic"
        )
    if bench.start.adapter is not None:
        notes.append("the KL is to the model under the adapter, and not to the adapter as it was")
    if feedback.failures:
        said = ", ".join(f"{reason} {count:,}" for reason, count in feedback.failures.most_common())
        notes.append(f"verdicts that failed: {said}")
    return replace(outcome, notes=[*outcome.notes, *notes])


def make_trainer(bench: Bench, rows: TokenRows, reward: Reward) -> Any:
    settings = bench.work.settings
    model = bench.policy()
    schedule = Schedule.online(settings, len(rows.train), len(rows.held_out), bench.processes)
    common = bench.arguments(schedule, settings.lr, best=f"eval_{REWARD}")
    del common["max_length"]
    trainer, config = KINDS[bench.work.stage]
    try:
        made = trainer(
            model=model,
            reward_funcs=[reward.function()],
            args=config(
                **common,
                beta=settings.beta,
                num_generations=settings.generations,
                num_generations_eval=1,
                max_completion_length=settings.answer_tokens,
                temperature=settings.temperature,
                trust_remote_code=settings.trust_remote_code,
            ),
            **bench.data(rows),
        )
    except ValueError as error:
        if "divisible" in str(error):
            raise UsageError(
                f"--batch {settings.batch} and --micro-batch {settings.micro_batch} do not hold whole groups of "
                f"--generations {settings.generations} on so many devices"
            ) from error
        raise
    if bench.adapter:
        drop_reference(made.model)
    return made


class Reward:
    """The reward function that TRL calls with a batch of answers."""

    def __init__(self, feedback: Feedback, stop: Stop) -> None:
        self._feedback = feedback
        self._stop = stop
        self._unread = 0

    def function(self) -> Callable[..., list[float | None]]:
        """TRL names a reward after its function. The guards ``length`` and ``repetition`` see the same answers."""

        def constitution(
            *,
            prompts: list[list[dict[str, str]]],
            completions: list[list[dict[str, str]]],
            completion_ids: list[list[int]],
            prompt_id: list[str],
            tags: list[list[str] | None],
            log_metric: Callable[[str, float], None],
            **_: Any,
        ) -> list[float | None]:
            questions = [
                Question(name, tuple(Message(turn["role"], turn["content"]) for turn in prompt), tuple(some or ()))
                for name, prompt, some in zip(prompt_id, prompts, tags, strict=True)
            ]
            texts = [completion[-1]["content"] for completion in completions]
            opinions = self.of(questions, texts)
            seen = {
                "samples/tokens": fmean(len(ids) for ids in completion_ids),
                "samples/repeated": fmean(repeated_tokens(ids) for ids in completion_ids),
            }
            for name, value in (figures(opinions) | seen).items():
                log_metric(name, value)
            return [opinion.reward for opinion in opinions]

        return constitution

    def of(self, questions: Sequence[Question], texts: Sequence[str]) -> list[Opinion]:
        """When a budget is used up nothing more is learned, and the training ends at its next step with its model."""
        if self._stop.asked:
            return [Opinion(None, {})] * len(texts)
        groups = [
            (question, [text for _, text in members])
            for question, members in itertools.groupby(zip(questions, texts, strict=True), key=lambda pair: pair[0])
        ]
        try:
            opinions = [opinion for group in self._feedback.of(groups) for opinion in group]
        except RunStoppedError as stopped:
            self._stop.ask(str(stopped))
            return [Opinion(None, {})] * len(texts)
        read = any(opinion.reward is not None for opinion in opinions)
        self._unread = 0 if read else self._unread + len(opinions)
        if self._unread >= LEAST_READ:
            failures = self._feedback.failures.most_common()
            why = ", ".join(f"{reason} {count:,}" for reason, count in failures) or "the scorer abstained"
            raise RunStoppedError(f"none of the last {self._unread:,} answers could be judged ({why})")
        return opinions


def figures(opinions: Sequence[Opinion]) -> dict[str, float]:
    """For the log: the share on the floor, the share that nobody could judge, and the mean of each tier."""
    found = {
        VIOLATIONS: sum(opinion.broken is not None for opinion in opinions) / len(opinions),
        UNREAD: sum(opinion.reward is None for opinion in opinions) / len(opinions),
    }
    for tier in sorted({tier for opinion in opinions for tier in opinion.tiers}):
        means = [opinion.tiers[tier] for opinion in opinions if tier in opinion.tiers]
        found[f"reward/tier:{tier}"] = sum(means) / len(means)
    return found
