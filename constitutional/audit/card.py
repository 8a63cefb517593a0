"""From labels and answers to a judge card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from constitutional.audit.ask import Answers
from constitutional.audit.attacks import results
from constitutional.audit.calibrate import calibration
from constitutional.audit.gate import gate
from constitutional.audit.labels import Labels
from constitutional.audit.measures import measures
from constitutional.audit.verdict import Verdict
from constitutional.config.judge_card import Data, JudgeCard, Reading
from constitutional.errors import ModelError


def make_card(labels: Labels, answers: Answers, *, version: str, seed: int, of_run: int = 0) -> JudgeCard:
    verdicts, assembly = answers.verdicts, answers.assembly
    _check_answered(verdicts)
    judge = assembly.judge if _asked_its_model(answers) else assembly.judge.model_copy(update={"model": {}})
    author = judge.model.get("model")
    found = measures(verdicts, [author] if isinstance(author, str) else [])
    found = found.model_copy(update={"attacks": results(answers.attacks)})
    data = data_of(labels, verdicts, of_run)
    return JudgeCard(
        made_with=version,
        judge=judge,
        settings=assembly.judge_settings if judge.model else [],
        constitution=assembly.named,
        seed=seed,
        data=data,
        measures=found,
        calibration=calibration(verdicts, seed),
        gate=gate(found, data),
    )


def data_of(labels: Labels, verdicts: Sequence[Verdict], of_run: int = 0) -> Data:
    failures = Counter(verdict.failure for verdict in verdicts if verdict.failure)
    return Data(
        files=list(labels.names),
        pairs=len(labels.pairs),
        prompts=len({pair.prompt.id for pair in labels.pairs}),
        ties=sum(pair.side == 0 for pair in labels.pairs),
        unlabelled=labels.unlabelled,
        identical=labels.identical,
        repeated=labels.repeated,
        of_run=of_run,
        annotators=list(labels.annotators),
        readings=[
            Reading(label=text, meaning=meaning, count=count)
            for text, (meaning, count) in sorted(labels.readings.counts.items())
        ],
        drawn_by=list(labels.drawn_by),
        failed=failures.total(),
        failures=dict(failures),
    )


def _asked_its_model(answers: Answers) -> bool:
    """Whether any verdict needed the judge's own model: rules and reward models do not."""
    own = answers.assembly.judge.model.get("model")
    return any(model == own for _, model in answers.progress.meter.counts)


def _check_answered(verdicts: Sequence[Verdict]) -> None:
    """A judge that could not be asked at all was not audited."""
    if verdicts and all(verdict.failure for verdict in verdicts):
        raise ModelError(
            f"the judge could not be asked of any of {len(verdicts)} pairs; the first: {verdicts[0].because}"
        )
