"""One round: the current policy answers, the run's roles judge, the pairs are mixed with earlier ones, the policy is
trained, and both are evaluated on the held-out prompts. Each step finds what it did before, so a round that was killed
goes on where it was."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from constitutional.config.run import DEFAULT_MODEL, ModelConfig, RunConfig
from constitutional.core.records import Prompt
from constitutional.dataset.write import write_dataset
from constitutional.errors import RunStoppedError
from constitutional.evaluation.effect import write_cards
from constitutional.evaluation.result import Evaluation
from constitutional.evaluation.run import evaluate_with
from constitutional.evaluation.settings import EvaluateSettings
from constitutional.ledger import LedgerView, RunFolder, create_or_check
from constitutional.loops import run_to_end
from constitutional.pipeline.run import run_prompts
from constitutional.pipeline.run_filters import sift_run
from constitutional.pipeline.setup import check
from constitutional.pipeline.stop import Stop, on_interrupt
from constitutional.plugins import PluginHost
from constitutional.saying import Say
from constitutional.training.data import NothingToTrainOnError
from constitutional.training.folder import read_json, write_json
from constitutional.training.iterate.decide import Round, improvement
from constitutional.training.iterate.mix import Mixed, Row, mixed
from constitutional.training.iterate.prompts import TRAIN_FILE, of_round, write
from constitutional.training.iterate.settings import IterateSettings
from constitutional.training.run import TrainResult, train
from constitutional.training.sources import Source
from constitutional.whole import write_whole

TAKEN = "taken.json"
"""How much of a round's evaluation was asked by the round before."""
PINNED = ("critic", "reviser", "judge", "scorer")
COLUMNS = ("prompt", "chosen", "rejected", "p_chosen", "margin", "order_consistency", "prompt_id")


class InterruptedRoundError(Exception):
    """Somebody asked for the end. What is done is kept."""


class BudgetError(Exception):
    """The budget of all rounds is used up."""


def spent_in(folder: RunFolder) -> tuple[int, float]:
    """Calls and money that a ledger holds."""
    if not folder.started:
        return 0, 0.0
    with LedgerView(folder.ledger) as view:
        return view.spent()


@dataclass(frozen=True, slots=True)
class RoundFolder:
    path: Path

    @property
    def run(self) -> RunFolder:
        return RunFolder(self.path / "run")

    @property
    def pairs(self) -> Path:
        return self.path / "pairs.jsonl"

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def evaluation(self) -> RunFolder:
        return RunFolder(self.path / "evaluation")

    @property
    def record(self) -> Round | None:
        path = self.path / "round.json"
        return Round(**json.loads(path.read_text("utf-8"))) if path.is_file() else None

    def finish(self, found: Round) -> None:
        write_json(self.path / "round.json", asdict(found))

    def spent(self) -> tuple[int, float]:
        """Calls and money of its run and its evaluation; what the latter took over was paid for by a round before."""
        run, evaluation = spent_in(self.run), spent_in(self.evaluation)
        taken = read_json(self.path / TAKEN) or {"calls": 0, "cost": 0.0}
        return run[0] + evaluation[0] - taken["calls"], run[1] + evaluation[1] - taken["cost"]


@dataclass(frozen=True, slots=True)
class Turn:
    """What a round needs to know."""

    settings: IterateSettings
    number: int
    ratio: float
    folders: Mapping[int, RoundFolder]
    """Of this round and all before it."""
    before: str
    """The model that answers: a folder or a Hub name."""
    prompts: list[Prompt]
    held_out: Path
    budget: tuple[int | None, float | None]
    """Calls and money that this round may have in all."""
    say: Say

    @property
    def folder(self) -> RoundFolder:
        return self.folders[self.number]


def play(turn: Turn) -> Round | None:
    """The finished round; None where a later one's run gave no pair, or too few to train on."""
    turn.folder.path.mkdir(parents=True, exist_ok=True)
    asked = of_round(turn.prompts, turn.number, turn.ratio, turn.settings.run.seed)
    write(turn.folder.path / TRAIN_FILE, asked)
    _generate(turn)
    mix = _mix(turn)
    if turn.number > 1 and not mix.counts["new"]:
        return None
    try:
        trained = _train(turn)
    except NothingToTrainOnError:
        if turn.number == 1:
            raise
        return None
    evaluation = _evaluate(turn)
    found = _round(turn, len(asked), mix, trained, evaluation)
    turn.folder.finish(found)
    return found


def policy_entry(settings: IterateSettings, model: str) -> ModelConfig:
    """The run's policy with other weights: how it is sampled stays."""
    entry = settings.run.models["policy"]
    provider = entry.name.partition(":")[0]
    if model == settings.model:
        return entry
    local = provider if provider in ("vllm", "transformers") else "transformers"
    options = entry.options if local == provider else {}
    changed = {"name": f"{local}:{model}", "revision": None, "base_url": None, "api_key_env": None, "options": options}
    return entry.model_copy(update=changed)


def pinned(run: RunConfig) -> RunConfig:
    """Roles that would ask the policy ask what it was at first: labels of different rounds are by the same judge."""
    first = run.models.get("policy") or ModelConfig(name=DEFAULT_MODEL)
    plain = first.model_copy(update={"temperature": None, "top_p": None})
    models = dict(run.models)
    parts: dict[str, Any] = {}
    for role in PINNED:
        part = run.part(role)
        if run.model_for(role) == "policy":
            models[role] = plain
            parts[role] = part.model_copy(update={"model": None})
    return run.model_copy(update={"models": models, **parts})


def config_of(turn: Turn) -> RunConfig:
    """The round's run: complete by itself, wherever it is called from."""
    run = pinned(turn.settings.run)
    here: dict[str, Any] = {
        "prompts": str((turn.folder.path / TRAIN_FILE).absolute()),
        "out": ".",
        "limit": None,
        "seed": run.seed + turn.number - 1,
        "test_fraction": 0.0,
        "max_calls": turn.budget[0],
        "max_cost": turn.budget[1],
        "models": run.models | {"policy": policy_entry(turn.settings, turn.before)},
    }
    return run.model_copy(update=here).placed(turn.settings.base)


def _generate(turn: Turn) -> None:
    config, folder, host = config_of(turn), turn.folder.run, PluginHost()
    assembly = check(config, host, folder.path)
    folder.create()
    with folder.lock():
        write_whole(folder.config, config.dump())
        turn.say(f"round {turn.number}: answers, critiques, revisions, verdicts")
        stop = Stop()

        async def run() -> Any:
            with on_interrupt(stop.ask):
                return await run_prompts(config, folder, host, folder.path, stop=stop)

        result = run_to_end(run())
        if result.status == "interrupted":
            raise InterruptedRoundError
        if result.status == "budget":
            raise BudgetError(result.message)
        if result.status != "complete":
            raise RunStoppedError(f"round {turn.number}: {result.message}")
        sift_run(folder, assembly.run_filters, complete=True)
        write_dataset(folder, complete=True)
    turn.say(f"round {turn.number}: {result.prompts:,} prompts, {result.pairs:,} pairs, {result.calls_made:,} calls")


def _mix(turn: Turn) -> Mixed:
    pairs = {number: pairs_of(folder) for number, folder in turn.folders.items()}
    made = mixed(pairs, turn.number, turn.settings.mix, turn.settings.run.seed)
    if turn.number == 1 and not made.rows:
        raise RunStoppedError(
            f"{turn.folder.run.path}: the first round gave no pair, so there is nothing to train on: `constitutional "
            f"generate {turn.folder.run.config}` says why"
        )
    write_whole(turn.folder.pairs, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made.rows))
    return made


def pairs_of(folder: RoundFolder) -> list[Row]:
    rows = [row for _, row in Source(str(folder.run.path)).rows("preference")]
    return [{name: row[name] for name in COLUMNS if row.get(name) is not None} for row in rows]


def _train(turn: Turn) -> TrainResult:
    settings = turn.settings
    first = settings.reference == "first" and turn.number > 1
    turn.say(f"round {turn.number}: training")
    result = train(
        settings.train.but(
            source=str(turn.folder.pairs),
            model=turn.before,
            out=str(turn.folder.model),
            merge=settings.train.lora is not None,
            reference_model=settings.model if first else None,
        ),
        turn.say,
    )
    if result.status == "interrupted":
        raise InterruptedRoundError
    return result


def _evaluate(turn: Turn) -> Evaluation:
    """Of the model before and after; what the round before asked of the former is known."""
    config, folder = config_of(turn), turn.folder.evaluation
    folder.create()
    if turn.number > 1 and not (turn.folder.path / TAKEN).is_file():
        take_calls(turn.folders[turn.number - 1].evaluation, folder)
        calls, cost = spent_in(folder)
        write_json(turn.folder.path / TAKEN, {"calls": calls, "cost": cost})
    most_calls, most_cost = _allowed(turn)
    given = EvaluateSettings.of_run(
        config,
        base=config.models["policy"],
        tuned=policy_entry(turn.settings, str(turn.folder.model.absolute())).placed(turn.settings.base),
        prompts=str(turn.held_out.absolute()),
        out=str(folder.path.absolute()),
        trained_on=str(turn.folder.pairs.absolute()),
        seed=turn.settings.run.seed,
        scorers=_scorers(turn.settings),
        max_failure_rate=config.max_failure_rate,
        max_calls=most_calls,
        max_cost=most_cost,
    )
    turn.say(f"round {turn.number}: evaluation on held-out prompts")
    asked: list[str] = []

    async def run() -> Evaluation:
        begun: list[Any] = []

        def interrupt() -> None:
            asked.append("interrupted")
            for progress in begun:
                progress.stop("interrupted")

        with on_interrupt(interrupt):
            return await evaluate_with(given, PluginHost(), started=begun.append, say=turn.say)

    try:
        found = run_to_end(run())
    except RunStoppedError as stopped:
        if asked:
            raise InterruptedRoundError from None
        if str(stopped).startswith("the budget of"):
            raise BudgetError(str(stopped)) from stopped
        raise
    if asked:  # while it was measuring
        raise InterruptedRoundError
    write_cards(found, given, turn.say)
    return found


def _allowed(turn: Turn) -> tuple[int | None, float | None]:
    """What the evaluation's ledger may hold in the end: the round's budget less its run's part, and what it took over."""
    calls, cost = spent_in(turn.folder.run)
    taken = read_json(turn.folder.path / TAKEN) or {"calls": 0, "cost": 0.0}
    most_calls, most_cost = turn.budget
    return (
        None if most_calls is None else most_calls - calls + taken["calls"],
        None if most_cost is None else most_cost - cost + taken["cost"],
    )


def _scorers(settings: IterateSettings) -> tuple[Any, ...]:
    """The run's own scorer, where its score is what the rounds go by."""
    return (settings.run.scorer,) if settings.measure.startswith("score:") else ()


def take_calls(known: RunFolder, folder: RunFolder) -> None:
    """Replies that an earlier ledger holds are answers of this one too: they are named by what was asked."""
    create_or_check(folder.ledger)
    if not known.started:
        return
    with closing(sqlite3.connect(folder.ledger)) as connection:
        connection.execute("ATTACH ? AS known", (str(known.ledger),))
        connection.execute("INSERT OR IGNORE INTO calls SELECT * FROM known.calls")
        connection.commit()


def _round(turn: Turn, prompts: int, mix: Mixed, trained: TrainResult, evaluation: Evaluation) -> Round:
    settings, stage = turn.settings, trained.record["stages"][-1]
    before, after = (evaluation.measure(name, settings.measure) for name in ("base", "tuned"))
    if before is None or after is None:
        why = evaluation.not_measured.get(settings.measure, "no answer could be read")
        raise RunStoppedError(f"round {turn.number}: {settings.measure} could not be measured: {why}")
    verdicts = [
        one.verdict for one in evaluation.comparisons if one.measure == settings.measure and one.model == "tuned"
    ]
    calls, cost = turn.folder.spent()
    return Round(
        number=turn.number,
        ratio=turn.ratio,
        prompts=prompts,
        pairs=mix.counts,
        before=asdict(before),
        after=asdict(after),
        improvement=improvement(before.value, after.value, settings.better),
        verdict=verdicts[0] if verdicts else "indistinguishable",
        measures={name: measured.value for name, measured in evaluation.measures["tuned"].items()},
        kl=stage["after"].get("kl"),
        guards=list(stage.get("guards") or []),
        stopped=stage["stopped"],
        calls=calls,
        cost=cost,
    )
